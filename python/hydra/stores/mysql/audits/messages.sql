-- Scans hydra_message; primary keys of hydra_execution and hydra_record.
select 'R26', m.execution_id, concat('the message `', lower(hex(m.id)), '` has no execution')
from hydra_message as m
where not exists (select 1 from hydra_execution as e where e.id = m.execution_id)
union all
select 'G3', m.execution_id, concat('the message `', lower(hex(m.id)), '` was consumed by record ', r.seq,
    ' and is still there')
from hydra_message as m
join hydra_execution as e on e.id = m.execution_id and e.namespace = {namespace}
join hydra_record as r on r.execution_id = m.execution_id and r.kind = 'event' and r.digest = m.id
