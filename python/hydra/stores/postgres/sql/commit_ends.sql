-- Index: primary keys of hydra_execution and hydra_record. Ends that leave the execution unfinished. A suspended one
-- that was meanwhile woken or cancelled is due again at once (R14): the CASEs read the row as it is once locked. A
-- time-out of one that is handed back stays decided. Lock order: as commit_finals, and after the node's row those of
-- the successors, shared: who gets an execution is alive when this commits (R8, R27).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), heir as materialized (
    select n.id
    from hydra_node as n
    where n.id = any(%(heirs)s)
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R27: a successor is alive at the commit
    order by n.id
    for share  -- guard R8: a successor's row is locked until the commit
), ended as (
    update hydra_execution as e
    set status = case
            when i.kind = 'crashed' or heir.id is not null then 'running'
            when i.kind in ('retry', 'released', 'continued') then 'pending'
            when i.kind in ('sleeping', 'waiting')
                -- guard R14: a suspend compares wake_seq
                -- guard R14: a suspend looks for a cancel
                and (e.wake_seq <> i.wake_seq or e.attention = 'cancel') then 'pending'
            -- one that parks after a cancel was accepted is due again, as if it had been cancelled afterwards
            when i.kind = 'parked' and i.began_cancelled = 0 and e.attention = 'cancel' then 'pending'
            else i.kind
        end,
        record_count = old.record_count + i.record_count + case when i.kind = 'retry' and i.cause_seq > 0 then 1
            else 0 end,
        owner = case when i.kind = 'crashed' then e.owner else heir.id end,
        epoch = e.epoch + case when i.kind = 'crashed' or heir.id is not null then 1 else 0 end,
        attempt = e.attempt + case when i.kind = 'retry' then 1 else 0 end,
        claimed_at = case when i.kind = 'crashed' or heir.id is not null then %(now)s else e.claimed_at end,
        run_at = case
            when i.kind = 'retry' and i.wake_at > %(now)s and e.attention is distinct from 'cancel' then i.wake_at
            when i.kind in ('retry', 'released', 'continued') or heir.id is not null then %(now)s
            when i.kind in ('sleeping', 'waiting') and (e.wake_seq <> i.wake_seq or e.attention = 'cancel') then %(now)s
            when i.kind = 'parked' and i.began_cancelled = 0 and e.attention = 'cancel' then %(now)s
            else e.run_at
        end,
        wake_at = case
            when i.kind = 'retry' and i.wake_at > %(now)s and e.attention is distinct from 'cancel' then i.wake_at
            when i.kind in ('sleeping', 'waiting') and e.wake_seq = i.wake_seq and e.attention is distinct from 'cancel'
                then nullif(i.wake_at, 0)
        end,
        attention = case when i.kind in ('crashed', 'released') or heir.id is not null then e.attention
            else nullif(e.attention, 'timeout') end
    from fence
    cross join unnest(
        %(ids)s, %(epochs)s, %(befores)s, %(record_counts)s, %(workers)s, %(kinds)s, %(payloads)s, %(cause_seqs)s,
        %(causes)s, %(wake_ats)s, %(wake_seqs)s, %(item_heirs)s, %(began_cancelled)s
    ) as i (
        id, epoch, before, record_count, worker, kind, payload, cause_seq, cause, wake_at, wake_seq, heir,
        began_cancelled
    )
    cross join lateral (
        select
            o.claimed_at,
            o.attempt,
            (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = o.id) as record_count
        from hydra_execution as o
        where o.id = i.id
        offset 0
    ) as old
    cross join lateral (
        -- `is true` makes it one look-up in a hash
        select case when (i.heir::uuid in (select heir.id from heir)) is true then i.heir::uuid end as id
        offset 0
    ) as heir
    where e.id = any(array[i.id])
        and e.epoch = i.epoch  -- guard R10: a commit compares the epoch
        and e.owner = fence.id  -- guard R10: a commit compares the owner
        -- guard R13: a suspend whose records are not the next is refused
        and (i.before is null or i.before = old.record_count)
    returning
        e.id, e.record_count, e.attempt as next_attempt, i.epoch, old.attempt, old.claimed_at, i.worker,
        case when heir.id is null then i.kind else 'released' end as kind, i.payload, i.cause, i.cause_seq
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
    where fence.id = (select e.owner from hydra_execution as e where e.id = r.id and e.epoch = r.epoch)
        and r.before = (select coalesce(max(l.seq), 0) from hydra_record as l where l.execution_id = r.id)
), claim as (
    insert into hydra_claim (
        execution_id, claimed_at, ended_at, node, epoch, attempt, worker, ending, detail, payload
    )
    select e.id, e.claimed_at, %(now)s, %(node)s, e.epoch, e.attempt, e.worker, e.kind, e.cause, e.payload
    from ended as e
), superseded as (
    insert into hydra_record (
        execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest
    )
    select
        e.id,
        %(now)s,
        %(now)s,
        0,
        e.record_count,
        e.cause_seq,
        e.next_attempt,
        'supersede',
        '',
        '',
        ''
    from ended as e
    where e.kind = 'retry'
        and e.cause_seq > 0
)
select ended.id::text
from fence
left join ended on true
