-- Index: primary keys of hydra_record and hydra_message. What these executions spawned, what was answered, and whose
-- ends they recorded.
select r.execution_id, r.kind, r.name, r.payload
from hydra_record as r force index (primary)
where r.execution_id in ({ids})
    and (r.kind = 'spawn' or (r.kind = 'event' and (r.name like 'hydra.child:%' or r.name like 'hydra.spawned:%')))
union all
select m.execution_id, 'event', m.name, m.payload
from hydra_message as m force index (primary)
where m.execution_id in ({ids})
    and m.name like 'hydra.spawned:%'
