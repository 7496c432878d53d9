-- Index: hydra_execution's by_workflow; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_execution force index (by_workflow)
    where namespace = {namespace}
        and workflow = {workflow}
    limit {limit}
) as found
