-- Index: primary keys of hydra_message and hydra_record. A later statement than the one that accepts the records: what
-- was refused is not there, and consumes nothing.
delete from hydra_message as m
using unnest(%(execution_ids)s, %(message_ids)s, %(seqs)s) as i (execution_id, id, seq)
where m.execution_id = any(array[i.execution_id])
    and m.id = any(array[i.id])
    and exists (
        select 1
        from hydra_record as r
        where r.execution_id = any(array[i.execution_id])
            and r.seq = i.seq
            and r.kind = 'event'
            and r.digest = uuid_send(i.id)
    )
