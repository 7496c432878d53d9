-- Index: primary keys of hydra_execution and hydra_record. Takes the execution off the hot table. The records that come
-- with an end are taken where it is: both or neither. One that was cancelled before does not complete or fail any more.
-- Lock order: the node's row, then executions in the order of the ids, which are sorted, then the parents of those that
-- are children, in the order of theirs; a deadlock with another family is retried.
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), ended as (
    delete from hydra_execution as e
    using fence
    cross join unnest(
        %(ids)s, %(epochs)s, %(befores)s, %(record_counts)s, %(workers)s, %(kinds)s, %(payloads)s, %(cause_seqs)s,
        %(causes)s, %(stands)s
    ) as i (id, epoch, before, record_count, worker, kind, payload, cause_seq, cause, stands)
    where e.id = any(array[i.id])
        and e.epoch = i.epoch  -- guard R10: a commit compares the epoch
        and e.owner = fence.id  -- guard R10: a commit compares the owner
        and (i.stands = 1 or e.attention is distinct from 'cancel')
        -- guard R13: an end whose records are not the next is refused
        and (i.before is null or i.before = (select coalesce(max(r.seq), 0) from hydra_record as r
            where r.execution_id = i.id))
    returning
        e.*,
        (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = i.id) + i.record_count as records,
        i.worker, i.kind, i.payload, i.cause_seq, i.cause
), recorded as (
    insert into hydra_record (
        execution_id, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest, payload
    )
    select
        r.id, r.started_at, r.finished_at, r.due_at, r.seq, r.ordinal, r.attempt, r.kind, r.branch, r.name, r.digest,
        r.payload
    from unnest(
        %(record_ids)s, %(record_epochs)s, %(record_befores)s, %(started_ats)s, %(finished_ats)s, %(due_ats)s, %(seqs)s,
        %(ordinals)s, %(attempts)s, %(record_kinds)s, %(branches)s, %(names)s, %(digests)s, %(record_payloads)s
    ) as r (id, epoch, before, started_at, finished_at, due_at, seq, ordinal, attempt, kind, branch, name, digest,
        payload)
    -- `is true` makes it one look-up in a hash; as a join each record would be held against each execution
    where ((r.id, r.epoch) in (select ended.id, ended.epoch from ended)) is true
), outcome as (
    insert into hydra_outcome (
        execution_id, finished_at, run_at, started_at, claimed_at, timeout_at, epoch, attempt, wake_seq, record_count,
        death_count, alone_death_count, cause_seq, status, attention, namespace, workflow, cause
    )
    select
        e.id, %(now)s, e.run_at, e.started_at, e.claimed_at, e.timeout_at, e.epoch, e.attempt, e.wake_seq,
        e.records, e.death_count, e.alone_death_count, e.cause_seq, e.kind, nullif(e.attention, 'timeout'), e.namespace,
        e.workflow, e.cause
    from ended as e
), claim as (
    insert into hydra_claim (
        execution_id, claimed_at, ended_at, node, epoch, attempt, worker, ending, detail, payload
    )
    select e.id, e.claimed_at, %(now)s, e.owner, e.epoch, e.attempt, e.worker, e.kind, e.cause, e.payload
    from ended as e
), link as (
    {links_of_ended status=ended.kind cause=ended.cause payload=ended.payload}
), heard as materialized (
    {heard}
), parent as materialized (
    {parents}
), woken as (
    {woken of=parent}
), told as (
    {told}
), counted as (
    insert into hydra_count (namespace, workflow, status, count)
    select e.namespace, e.workflow, e.kind, count(*)
    from ended as e
    group by e.namespace, e.workflow, e.kind
)
select ended.id::text, ended.is_child
from fence
left join ended on true
