-- Scans the tables that belong to executions; primary key of hydra_execution. SQLite enforces none of the references,
-- which would be a look-up for each record and each claim.
select 'R26', execution_id, 'a row of ' || source || ' has no execution'
from (
    select distinct execution_id, 'hydra_record' as source from hydra_record
    union all
    select distinct execution_id, 'hydra_claim' from hydra_claim
    union all
    select execution_id, 'hydra_submission' from hydra_submission
    union all
    select distinct execution_id, 'hydra_attribute' from hydra_attribute
    union all
    select distinct execution_id, 'hydra_progress' from hydra_progress
    union all
    select distinct parent_id, 'hydra_child' from hydra_child
)
where not exists (select 1 from hydra_execution as e where e.id = execution_id)
union all
select 'G1', e.id, 'it has no input'
from hydra_execution as e
where e.namespace = :namespace
    and not exists (select 1 from hydra_submission as s where s.execution_id = e.id)
