-- Index: primary keys of hydra_execution and hydra_message.
select m.id, m.execution_id, m.name, m.payload, m.sent_at, m.number
from hydra_execution as e
join hydra_message as m on m.execution_id = e.id
where e.id = {id}
    and e.namespace = {namespace}
    and ({wanted} is null or m.name = {wanted})
order by m.number, m.sent_at, m.id
