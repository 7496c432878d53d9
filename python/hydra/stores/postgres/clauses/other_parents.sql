-- As parents, without those that the statement has locked already, and tells by its own change.
select e.id
from hydra_execution as e
where e.id = any(array(select link.parent_id from link))
    and not e.id = any(array(select {chosen}.id from {chosen}))
order by e.id
for update
