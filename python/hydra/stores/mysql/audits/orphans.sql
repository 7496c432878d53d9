-- Scans the three tables that belong to executions; primary key of hydra_execution.
select 'R26', execution_id, concat('a row of ', source, ' has no execution')
from (
    select distinct execution_id, 'hydra_record' as source from hydra_record
    union all
    select distinct execution_id, 'hydra_claim' from hydra_claim
    union all
    select distinct execution_id, 'hydra_attribute' from hydra_attribute
) as parts
where not exists (select 1 from hydra_execution as e where e.id = parts.execution_id)
