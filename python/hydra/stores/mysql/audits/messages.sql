-- Scans hydra_message, and hydra_record of what has messages; primary keys of hydra_execution and, from each record,
-- of hydra_message: no message is held against all records of its execution.
select 'R26', m.execution_id, concat('the message `', lower(hex(m.id)), '` has no execution')
from hydra_message as m
where not exists (select 1 from hydra_execution as e where e.id = m.execution_id)
union all
select 'G3', m.execution_id, concat('the message `', lower(hex(m.id)), '` was consumed by record ', r.seq,
    ' and is still there')
from (select distinct m.execution_id from hydra_message as m) as w
straight_join hydra_execution as e on e.id = w.execution_id and e.namespace = {namespace}
straight_join hydra_record as r on r.execution_id = e.id and r.kind = 'event'
straight_join hydra_message as m on m.execution_id = r.execution_id and m.id = r.digest
