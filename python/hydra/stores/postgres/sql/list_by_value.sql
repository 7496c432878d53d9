-- Index: hydra_attribute_value, from the newest end of one value: rows are compared as wholes, so that no other index
-- has their order, and a later page begins at its place. Primary keys for the rest.
select a.execution_id::text
from hydra_attribute as a
join hydra_submission as s on s.execution_id = any(array[a.execution_id])
where a.namespace = %(namespace)s
    and a.name = %(name)s
    and (a.value, a.execution_id) < (%(low)s, coalesce(%(before)s, 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid)
    and (a.value, a.execution_id) > (%(low)s, coalesce(%(after)s, '00000000-0000-0000-0000-000000000000')::uuid)
    {chosen}
order by a.value desc, a.execution_id desc
limit %(limit)s
