-- Index: primary key of hydra_message. A later statement than the mark, like claimed_records (R12).
select json_group_array(json_array(m.id, m.execution_id, m.name, hex(m.payload), m.sent_at))
from json_each(:ids) as i
cross join hydra_message as m on m.execution_id = i.value
