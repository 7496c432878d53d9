-- Index: primary key of hydra_attribute, from its newest end: of a range in which much lies. The `case` hides the
-- columns from the planner, which would sort all of them for each page. Primary keys for the rest.
select a.execution_id::text
from hydra_attribute as a
join hydra_submission as s on s.execution_id = any(array[a.execution_id])
where case
        when a.namespace = %(namespace)s and a.name = %(name)s then a.value >= %(low)s and a.value < %(high)s
        else false
    end
    and (%(before)s::uuid is null or a.execution_id < %(before)s)
    and (%(after)s::uuid is null or a.execution_id > %(after)s)
    {chosen}
order by a.execution_id desc
limit %(limit)s
