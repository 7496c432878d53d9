-- Index: primary keys of hydra_record and hydra_message. What these executions spawned, what was answered, and whose
-- ends they recorded.
select r.execution_id, r.kind, r.name, r.payload
from json_each(:ids) as i
cross join hydra_record as r on r.execution_id = i.value
where r.kind = 'spawn'
    or (r.kind = 'event' and (r.name glob 'hydra.child:*' or r.name glob 'hydra.spawned:*'))
union all
select m.execution_id, 'event', m.name, m.payload
from json_each(:ids) as i
cross join hydra_message as m on m.execution_id = i.value
where m.name glob 'hydra.spawned:*'
