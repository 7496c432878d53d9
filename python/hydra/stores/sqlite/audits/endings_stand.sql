-- Scans hydra_claim; primary key of hydra_execution. What completed or was cancelled stays so, and nothing is claimed
-- after it.
select 'G3', e.id, 'claim ' || c.epoch || ' ended `' || c.ending || '`, yet it is `' || e.status || '` at claim '
    || e.epoch
from hydra_claim as c
join hydra_execution as e on e.id = c.execution_id
where e.namespace = :namespace
    and c.ending in ('completed', 'cancelled')
    and (e.epoch <> c.epoch or e.status <> c.ending)
