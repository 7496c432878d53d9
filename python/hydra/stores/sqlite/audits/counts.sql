-- Scans hydra_execution and hydra_count.
select 'G7', '', '`' || workflow || '` counts ' || sum(kept) || ' ' || status || ' executions, there are ' || sum(found)
from (
    select workflow, status, count as kept, 0 as found
    from hydra_count
    where namespace = :namespace
    union all
    select workflow, status, 0, count(*)
    from hydra_execution
    where namespace = :namespace
    group by workflow, status
)
group by workflow, status
having sum(kept) <> sum(found)
