-- Scans hydra_execution and hydra_tally.
select 'G7', '', concat('`', workflow, '` counts ', sum(kept), ' ', status, ' executions, there are ', sum(found))
from (
    select workflow, status, total as kept, 0 as found
    from hydra_tally
    where namespace = {namespace}
        and workflow <> ''
    union all
    select workflow, status, 0, count(*)
    from hydra_execution
    where namespace = {namespace}
    group by workflow, status
) as counted
group by workflow, status
having sum(kept) <> sum(found)
