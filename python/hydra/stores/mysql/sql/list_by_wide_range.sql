-- Index: primary key of hydra_attribute, from its newest end or the oldest: of a range in which much lies.
select a.execution_id
from hydra_attribute as a force index (primary)
straight_join hydra_execution as e force index (primary) on e.id = a.execution_id
where a.namespace = {namespace}
    and a.name = {name}
    and a.value >= {low}
    and a.value < {high}
    and {conditions}
order by a.execution_id {way}
limit {limit}
