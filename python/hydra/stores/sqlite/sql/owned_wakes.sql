-- Index: primary key of hydra_execution. Those of these which this node runs and which were told something since.
select e.id, i.value ->> 1
from json_each(:listening) as i
cross join hydra_execution as e on e.id = i.value ->> 0
where e.owner = :node
    and e.wake_seq > i.value ->> 1
