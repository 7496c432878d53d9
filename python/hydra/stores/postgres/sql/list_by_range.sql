-- Index: hydra_attribute_value; what lies in the range is sorted by id, so it must be little. Primary keys for the
-- rest.
with found as materialized (
    select a.execution_id
    from hydra_attribute as a
    where a.namespace = %(namespace)s
        and a.name = %(name)s
        and a.value >= %(low)s
        and a.value < %(high)s
        and (%(before)s::uuid is null or a.execution_id < %(before)s)
        and (%(after)s::uuid is null or a.execution_id > %(after)s)
)
select a.execution_id::text
from found as a
join hydra_submission as s on s.execution_id = any(array[a.execution_id])
where true
    {chosen}
order by a.execution_id desc
limit %(limit)s
