-- Scans hydra_submission. A tick of a schedule has one execution, whatever became of it.
select 'R25', max(s.execution_id), 'tick `' || s.key || '` of schedule `' || e.workflow || '` has ' || count(*)
    || ' executions'
from hydra_submission as s
join hydra_execution as e on e.id = s.execution_id
where e.namespace = :namespace
    and s.key like 'hydra.tick:%'
group by e.workflow, s.key
having count(*) > 1
