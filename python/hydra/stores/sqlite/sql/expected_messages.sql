-- Index: primary key of hydra_message. What is there for waits that are over: under the write lock, so nothing comes in
-- between.
select m.id, m.execution_id, m.name, m.payload, m.sent_at, m.number
from json_each(:rows) as i
cross join hydra_message as m on m.execution_id = i.value ->> 0
where m.name = i.value ->> 1
