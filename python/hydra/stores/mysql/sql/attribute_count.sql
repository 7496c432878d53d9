-- Index: hydra_attribute's by_value; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_attribute force index (by_value)
    where namespace = {namespace}
        and name = {name}
        and value >= {low}
        and value < {high}
    limit {limit}
) as found
