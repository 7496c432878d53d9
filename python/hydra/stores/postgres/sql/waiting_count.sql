-- Index: hydra_execution_gated, at most so many entries of one key.
select count(*)
from (
    select 1
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.gate = %(key)s
        and e.gate is not null
        and e.status = 'pending'
        and e.wake_at = 9223372036854775807
    limit %(limit)s
) as w
