-- Index: one range of hydra_ready's primary key, counted no further than the limit.
select count(*)
from (
    select 1
    from hydra_ready
    where namespace = {namespace}
        and workflow = {workflow}
    limit {limit}
) as due
