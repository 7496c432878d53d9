-- Index: primary key of hydra_message. A later statement than the lock, so it sees every message that came before it.
select m.id::text, m.execution_id::text, m.name, m.payload, m.sent_at, m.number
from unnest(%(execution_ids)s, %(names)s) as i (execution_id, name)
join hydra_message as m on m.execution_id = any(array[i.execution_id]) and m.name = i.name
