-- Index: hydra_attribute_value; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_attribute as a
    where a.namespace = %(namespace)s
        and a.name = %(name)s
        and a.value >= %(low)s
        and a.value < %(high)s
    limit %(limit)s
) as found
