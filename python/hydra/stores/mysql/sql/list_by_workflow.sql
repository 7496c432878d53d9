-- Index: hydra_execution's by_workflow, from the newest end of one workflow or the oldest.
select id
from hydra_execution force index (by_workflow)
where namespace = {namespace}
    and {conditions}
order by id {way}
limit {limit}
