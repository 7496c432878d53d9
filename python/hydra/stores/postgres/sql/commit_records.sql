-- Index: primary keys of hydra_execution and hydra_record. Accepts a record only from the owner at its epoch, and only
-- as the next number (R13). Locks nothing but the node's row: under the fence nobody else may change owner or epoch
-- (R10).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), recorded as (
    insert into hydra_record (
        execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest, payload
    )
    select
        r.id, r.started_at, r.finished_at, r.due_at, r.seq, r.ordinal, r.attempt, r.kind, r.branch, r.name, r.digest,
        r.payload
    from fence
    cross join unnest(
        %(record_ids)s, %(record_epochs)s, %(record_befores)s, %(started_ats)s, %(finished_ats)s, %(due_ats)s, %(seqs)s,
        %(ordinals)s, %(attempts)s, %(record_kinds)s, %(branches)s, %(names)s, %(digests)s, %(record_payloads)s
    ) as r (id, epoch, before, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest,
        payload)
    -- guard R10: a record compares epoch
    -- guard R10: a record compares the owner
    where fence.id = (select e.owner from hydra_execution as e where e.id = r.id and e.epoch = r.epoch)
        -- guard R13: only the next record is accepted
        and r.before = (select coalesce(max(l.seq), 0) from hydra_record as l where l.execution_id = r.id)
    returning execution_id
)
select
    recorded.execution_id::text,
    (select e.attention = 'cancel' from hydra_execution as e where e.id = any(array[recorded.execution_id]))
from fence
left join (select distinct execution_id from recorded) as recorded on true
