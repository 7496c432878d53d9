-- Index: hydra_execution_owner, then the primary key of hydra_message.
select m.id, m.execution_id, m.name, m.payload, m.sent_at
from hydra_execution as e
cross join hydra_message as m on m.execution_id = e.id
where e.owner = :node
    and e.wake_seq > 0
limit :limit
