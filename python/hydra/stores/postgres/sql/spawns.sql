-- Index: primary keys of hydra_record and hydra_message. What these executions spawned, what was answered, and whose
-- ends they recorded.
select r.execution_id::text, r.kind, r.name, r.payload
from hydra_record as r
where r.execution_id = any(%(ids)s)
    and (r.kind = 'spawn' or (r.kind = 'event' and (r.name like 'hydra.child:%%' or r.name like 'hydra.spawned:%%')))
union all
select m.execution_id::text, 'event', m.name, m.payload
from hydra_message as m
where m.execution_id = any(%(ids)s)
    and m.name like 'hydra.spawned:%%'
