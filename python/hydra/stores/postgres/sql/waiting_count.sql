-- Index: hydra_execution_queue, at most so many entries of one key.
select count(*)
from (
    select 1
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.gate = %(key)s
        and e.gate is not null
        and e.status = 'pending'
        and coalesce(e.wake_at, 0) = 9223372036854775807
    limit %(limit)s
) as w
