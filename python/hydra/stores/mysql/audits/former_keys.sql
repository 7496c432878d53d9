-- Scans hydra_former_key; primary key of hydra_execution. What gave its key up has ended, and stays so.
select 'R24', e.id, concat('it is ', e.status, ', and its key has gone over to another')
from hydra_former_key as f
join hydra_execution as e on e.id = f.execution_id
where e.namespace = {namespace}
    and e.status not in ('completed', 'failed', 'cancelled')
