-- Index: hydra_execution_gated, at most :limit entries of one key.
select count(*)
from (
    select 1
    from hydra_execution as e indexed by hydra_execution_gated
    where e.namespace = :namespace
        and e.gate = :key
        and e.gate is not null
        and e.status = 'pending'
        and e.wake_at = 9223372036854775807
    limit :limit
)
