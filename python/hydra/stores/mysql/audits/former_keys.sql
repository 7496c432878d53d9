-- Scans hydra_former_key; primary key of hydra_execution. What gave its key up has ended, and
-- stays so; or a line says that it was open.
select 'R24', e.id, concat('it is ', e.status, ', and its key has gone over to another')
from hydra_former_key as f
join hydra_execution as e on e.id = f.execution_id
where e.namespace = {namespace}
    and e.status not in ('completed', 'failed', 'cancelled')
    and not exists (select 1 from hydra_act as a where a.execution_id = e.id and a.kind = 'key_passed')
