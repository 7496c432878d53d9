-- Index: hydra_attribute's by_value, from the newest end of one value or the oldest; primary keys for the rest.
select a.execution_id
from hydra_attribute as a force index (by_value)
straight_join hydra_execution as e force index (primary) on e.id = a.execution_id
where a.namespace = {namespace}
    and a.name = {name}
    and a.value = {low}
    and {conditions}
order by a.execution_id {way}
limit {limit}
