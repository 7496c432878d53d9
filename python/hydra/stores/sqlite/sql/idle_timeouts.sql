-- Index: hydra_execution_idle_timeout. What is due to be undone is not in it.
select json_group_array(json_array(id, workflow, status))
from (
    select id, workflow, status
    from hydra_execution indexed by hydra_execution_idle_timeout
    where namespace = :namespace
        and timeout_at <= :now
        and timeout_at is not null
        and attention is null
        and (status = 'pending' or status = 'sleeping' or status = 'waiting')
    order by timeout_at
    limit :limit
)
