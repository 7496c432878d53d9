-- Scans hydra_outcome and hydra_count.
select
    'G7',
    '',
    format('`%%s` counts %%s %%s executions, there are %%s', f.workflow, sum(f.kept), f.status, sum(f.found))
from (
    select c.workflow, c.status, c.count as kept, 0 as found
    from hydra_count as c
    where c.namespace = %(namespace)s
    union all
    select o.workflow, o.status, 0, count(*)
    from hydra_outcome as o
    where o.namespace = %(namespace)s
    group by o.workflow, o.status
) as f
group by f.workflow, f.status
having sum(f.kept) <> sum(f.found)
