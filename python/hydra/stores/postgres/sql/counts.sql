-- Index: none; what is not final is counted as it stands, what is final by its differences. Folded by `fold_counts`.
select e.workflow, e.status, count(*)
from hydra_execution as e
where e.namespace = %(namespace)s
group by e.workflow, e.status
union all
select c.workflow, c.status, sum(c.count)::bigint
from hydra_count as c
where c.namespace = %(namespace)s
group by c.workflow, c.status
having sum(c.count) > 0
