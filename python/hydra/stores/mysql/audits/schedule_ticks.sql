-- Scans hydra_execution. A tick of a schedule has one execution, whatever became of it.
select 'R25', max(e.id), concat('tick `', e.idempotency_key, '` of schedule `', e.workflow, '` has ', count(*),
    ' executions')
from hydra_execution as e
where e.namespace = {namespace}
    and e.idempotency_key like 'hydra.tick:%'
group by e.workflow, e.idempotency_key
having count(*) > 1
