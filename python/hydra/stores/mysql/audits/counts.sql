-- Scans hydra_execution, hydra_tally and hydra_delta.
select 'G7', '', concat('`', workflow, '` counts ', sum(kept), ' ', status, ' executions, there are ', sum(found))
from (
    select workflow, status, total as kept, 0 as found
    from hydra_tally
    where namespace = {namespace}
        and workflow <> ''
    union all
    select workflow, status, total, 0
    from hydra_delta
    where namespace = {namespace}
    union all
    select workflow, status, 0, count(*)
    from hydra_execution
    where namespace = {namespace}
    group by workflow, status
) as counted
group by workflow, status
having sum(kept) <> sum(found)
