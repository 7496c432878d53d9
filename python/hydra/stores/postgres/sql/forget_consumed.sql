-- Index: primary keys of hydra_message, hydra_record and hydra_consumed. A message that a record has consumed, of this
-- generation or one before it, is not put again (R17). A later statement than the insert, which has waited for whoever
-- was consuming it. The records of each execution are read once, whatever it is sent: `is true` makes a hash of them.
delete from hydra_message as m
using unnest(%(execution_ids)s, %(message_ids)s) as i (execution_id, id)
where m.execution_id = any(array[i.execution_id])
    and m.id = any(array[i.id])
    and (
        ((i.execution_id, uuid_send(i.id)) in (
            select r.execution_id, r.digest
            from hydra_record as r
            where r.execution_id = any(%(execution_ids)s)
                and r.kind = 'event'
        )) is true
        or exists (
            select 1
            from hydra_consumed as c
            where c.execution_id = any(array[i.execution_id])
                and c.message_id = uuid_send(i.id)
        )
    )
