-- Index: primary keys of hydra_node, hydra_execution and hydra_record. Of a node that is dead and stays so, which its
-- row's lock keeps for one reaper at a time. The executions are locked, so that nobody returns them meanwhile. Lock
-- order: the node's row, then executions by id.
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.namespace = %(namespace)s
        and n.state = 'dead'
    for update
), owned as materialized (
    select e.id, e.epoch
    from fence
    join hydra_execution as e on e.id = any(%(record_ids)s)
    where e.owner = fence.id
        and e.status = 'running'
    order by e.id
    for update of e
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
    where ((r.id, r.epoch) in (select owned.id, owned.epoch from owned)) is true
        and r.before = (select coalesce(max(l.seq), 0) from hydra_record as l where l.execution_id = r.id)
    on conflict (execution_id, seq) do nothing
    returning execution_id
)
select distinct recorded.execution_id::text
from recorded
