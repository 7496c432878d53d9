-- Index: primary keys of hydra_execution and hydra_record. Accepts a record only from the owner at its epoch, and only as the
-- next number (R13). Locks nothing but the node's row: under the fence nobody else may change owner or epoch (R10).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s
        and n.namespace = %(namespace)s
        and n.state = 'alive'
    for share
), recorded as (
    insert into hydra_record (
        execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest, payload
    )
    select
        i.id, i.started_at, i.finished_at, i.due_at, i.seq, i.ordinal, i.attempt, i.kind, i.branch, i.name, i.digest, i.payload
    from fence
    cross join unnest(
        %(ids)s, %(epochs)s, %(befores)s, %(started_ats)s, %(finished_ats)s, %(due_ats)s, %(seqs)s, %(ordinals)s, %(attempts)s,
        %(kinds)s, %(branches)s, %(names)s, %(digests)s, %(payloads)s
    ) as i (id, epoch, before, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest, payload)
    where fence.id = (select e.owner from hydra_execution as e where e.id = i.id and e.epoch = i.epoch)
        and i.before = (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = i.id)
    returning execution_id, seq
)
select recorded.execution_id::text, max(recorded.seq)
from fence
left join recorded on true
group by recorded.execution_id
