-- Index: hydra_attribute's by_value; what lies in the range is sorted by id, so it must be little.
select a.execution_id
from hydra_attribute as a force index (by_value)
straight_join hydra_execution as e force index (primary) on e.id = a.execution_id
where a.namespace = {namespace}
    and a.name = {name}
    and a.value >= {low}
    and a.value < {high}
    and {conditions}
order by a.execution_id {way}
limit {limit}
