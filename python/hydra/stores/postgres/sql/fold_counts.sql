-- Index: none; differences are few. Adds up those that nobody else is adding up, and leaves the sums.
with taken as (
    delete from hydra_count as c
    where c.ctid = any(array(
        select d.ctid
        from hydra_count as d
        where d.namespace = %(namespace)s
        limit %(limit)s
        for update skip locked
    ))
    returning c.namespace, c.workflow, c.status, c.count
)
insert into hydra_count (namespace, workflow, status, count)
select t.namespace, t.workflow, t.status, sum(t.count)
from taken as t
group by t.namespace, t.workflow, t.status
having sum(t.count) <> 0
