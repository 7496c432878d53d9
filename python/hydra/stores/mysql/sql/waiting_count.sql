-- Index: primary key of hydra_gated, at most so many entries of one key.
select count(*)
from (
    select 1
    from hydra_gated force index (primary)
    where namespace = {namespace}
        and limit_key = {key}
    limit {limit}
) as w
