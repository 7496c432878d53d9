-- Index: primary keys of hydra_submission and hydra_message.
select m.id::text, m.execution_id::text, m.name, m.payload, m.sent_at, m.number
from hydra_submission as s
join hydra_message as m on m.execution_id = s.execution_id
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
    and (%(name)s::text is null or m.name = %(name)s)
order by m.number, m.sent_at, m.id
