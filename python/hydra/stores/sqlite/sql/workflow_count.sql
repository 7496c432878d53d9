-- Index: hydra_execution_workflow; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_execution indexed by hydra_execution_workflow
    where namespace = :namespace
        and workflow = :workflow
    limit :limit
)
