-- Index: primary keys of hydra_execution, hydra_claim and hydra_record. Of what failed or is parked: what it ended
-- with, and the record whose failure left the body.
select
    e.id, e.status, e.cause,
    (select c.payload from hydra_claim as c where c.execution_id = e.id and c.epoch = e.epoch and c.ending = e.status),
    (select r.name from hydra_record as r where r.execution_id = e.id and r.seq = e.cause_seq)
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
where e.namespace = :namespace
    and (e.status = 'failed' or e.status = 'parked')
