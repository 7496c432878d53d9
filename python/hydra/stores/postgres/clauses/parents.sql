-- Index: primary key of hydra_execution. Lock order: parents after their children, in the order of their ids.
select e.id
from hydra_execution as e
where e.id = any(array(select link.parent_id from link))
order by e.id
for update
