-- Scans the tables that belong to executions. Each execution is in exactly one of hydra_execution and hydra_outcome.
select 'R26', b.execution_id::text, format('a row of %%s has no execution', b.source)
from (
    select distinct r.execution_id, 'hydra_record' as source
    from hydra_record as r
    union all
    select distinct c.execution_id, 'hydra_claim'
    from hydra_claim as c
    union all
    select distinct a.execution_id, 'hydra_attribute'
    from hydra_attribute as a
) as b
where not exists (select 1 from hydra_submission as s where s.execution_id = b.execution_id)
union all
select 'R26', s.execution_id::text, 'a row of hydra_submission has no execution'
from hydra_submission as s
where s.namespace = %(namespace)s
    and not exists (select 1 from hydra_execution as e where e.id = s.execution_id)
    and not exists (select 1 from hydra_outcome as o where o.execution_id = s.execution_id)
union all
select 'G1', e.id::text, 'it has no input'
from (
    select e.id from hydra_execution as e where e.namespace = %(namespace)s
    union all
    select o.execution_id from hydra_outcome as o where o.namespace = %(namespace)s
) as e
where not exists (select 1 from hydra_submission as s where s.execution_id = e.id)
union all
select 'R10', e.id::text, format('it is `%%s` and, with an outcome, `%%s`', e.status, o.status)
from hydra_execution as e
join hydra_outcome as o on o.execution_id = e.id
where e.namespace = %(namespace)s
