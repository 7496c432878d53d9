-- Index: primary key of hydra_message.
select m.id::text, m.execution_id::text, m.name, m.payload, m.sent_at
from hydra_message as m
where m.execution_id = any(%(ids)s)
order by m.sent_at, m.id
