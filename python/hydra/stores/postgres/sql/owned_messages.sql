-- Index: primary key of hydra_execution, hydra_message_number. Of each execution that listens, and was told something
-- since, the next messages, whose sizes are summed up before any is read.
select m.id::text, m.execution_id::text, m.name, m.payload, m.sent_at, m.number
from (
    select e.id, i.number
    from unnest(%(ids)s, %(numbers)s) as i (id, number)
    join hydra_execution as e on e.id = any(array[i.id])
    where e.owner = %(node)s
        and e.status = 'running'
        and e.wake_seq > i.number
    offset 0
) as e
{message_page after=e.number}
