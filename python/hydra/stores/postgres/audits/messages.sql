-- Scans hydra_message; primary keys of hydra_submission and hydra_record.
select 'R26', m.execution_id::text, format('the message `%%s` has no execution', m.id)
from hydra_message as m
where not exists (select 1 from hydra_submission as s where s.execution_id = m.execution_id)
union all
select 'G3', m.execution_id::text, format('the message `%%s` was consumed by record %%s and is still there', m.id,
    r.seq)
from hydra_message as m
join hydra_submission as s on s.execution_id = m.execution_id and s.namespace = %(namespace)s
join hydra_record as r on r.execution_id = m.execution_id and r.kind = 'event' and r.digest = uuid_send(m.id)
