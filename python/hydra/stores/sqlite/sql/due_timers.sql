-- Index: hydra_execution_timer.
select json_group_array(json_array(id, workflow, status))
from (
    select id, workflow, status
    from hydra_execution indexed by hydra_execution_timer
    where namespace = :namespace
        and wake_at <= :now
        and wake_at is not null
    order by wake_at
    limit :limit
)
