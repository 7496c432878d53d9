-- Index: primary keys of hydra_submission, hydra_execution, hydra_outcome, hydra_claim and hydra_record. Of what failed
-- or is parked: what it ended with, and the record whose failure left the body.
select
    s.execution_id::text, coalesce(e.status, o.status), coalesce(o.cause, ''),
    (
        select c.payload
        from hydra_claim as c
        where c.execution_id = s.execution_id
            and c.epoch = coalesce(e.epoch, o.epoch)
            and c.ending = coalesce(e.status, o.status)
    ),
    (select r.name from hydra_record as r where r.execution_id = s.execution_id and r.seq = o.cause_seq)
from hydra_submission as s
left join hydra_execution as e on e.id = any(array[s.execution_id])
left join hydra_outcome as o on o.execution_id = any(array[s.execution_id])
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
    and (o.status = 'failed' or e.status = 'parked')
