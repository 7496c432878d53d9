-- Index: hydra_tally's primary key; it and hydra_delta are small.
select workflow, status, cast(sum(total) as signed)
from (
    select workflow, status, total
    from hydra_tally
    where namespace = {namespace}
        and workflow <> ''
    union all
    select workflow, status, total
    from hydra_delta
    where namespace = {namespace}
) as counted
group by workflow, status
having sum(total) > 0
