-- Index: hydra_execution_finished, which has the id behind the instant, onwards from a place.
select json_group_array(json_array(id, workflow, status, finished_at))
from (
    select id, workflow, status, finished_at
    from hydra_execution indexed by hydra_execution_finished
    where namespace = :namespace
        and finished_at is not null
        and (finished_at, id) > (:after_at, :after_id)
        and finished_at < :until
    order by finished_at, id
    limit :limit
)
