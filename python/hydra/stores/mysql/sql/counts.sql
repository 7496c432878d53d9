-- Index: hydra_tally's primary key; small.
select workflow, status, cast(sum(total) as signed)
from hydra_tally
where namespace = {namespace}
    and workflow <> ''
group by workflow, status
having sum(total) > 0
