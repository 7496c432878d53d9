-- Index: one range of hydra_execution's by_status, then the primary key of hydra_message.
select m.id, m.execution_id, m.name, m.payload, m.sent_at
from hydra_execution as e force index (by_status)
straight_join hydra_message as m on m.execution_id = e.id
where e.namespace = {namespace}
    and e.status = 'running'
    and e.owner = {node}
    and e.wake_seq > 0
order by m.sent_at, m.id
limit {limit}
