-- Scans hydra_submission. A tick of a schedule has one execution, whatever became of it.
select
    'R25',
    max(s.execution_id::text),
    format('tick `%%s` of schedule `%%s` has %%s executions', s.key, s.workflow, count(*))
from hydra_submission as s
where s.namespace = %(namespace)s
    and s.key like 'hydra.tick:%%'
group by s.workflow, s.key
having count(*) > 1
