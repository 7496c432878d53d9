-- Index: hydra_execution_finished, oldest first.
select json_group_array(json_array(id, workflow, status))
from (
    select id, workflow, status
    from hydra_execution indexed by hydra_execution_finished
    where namespace = :namespace
        and finished_at < :older_than
        and finished_at is not null
    order by finished_at
    limit :limit
)
