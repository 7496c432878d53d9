-- Index: primary keys of hydra_schedule and hydra_node_schedule. Names come sorted, so two nodes that start together
-- never wait in a ring; what somebody else changed since the revision was read is left alone (R25).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), registered as (
    insert into hydra_schedule as s (namespace, name, spec, revision, mark_at, next_at, paused_at, progress)
    select %(namespace)s, i.name, i.spec, i.revision + 1, i.mark_at, i.next_at, null, %(progress)s
    from fence
    cross join unnest(%(names)s, %(specs)s, %(revisions)s, %(mark_ats)s, %(next_ats)s)
        as i (name, spec, revision, mark_at, next_at)
    order by i.name collate "C"
    on conflict (namespace, name) do update
    set spec = excluded.spec,
        revision = excluded.revision,
        mark_at = excluded.mark_at,
        next_at = excluded.next_at
    where s.revision + 1 = excluded.revision  -- guard R25: an upsert compares the revision
        and s.spec <> excluded.spec
        and s.mark_at <= excluded.mark_at  -- guard R25: an upsert never takes the mark back
), forgotten as (
    delete from hydra_node_schedule as ns
    using fence
    where ns.node_id = fence.id
        and ns.name <> all (%(names)s)
), served as (
    insert into hydra_node_schedule (node_id, name)
    select fence.id, i.name
    from fence
    cross join unnest(%(names)s) as i (name)
    on conflict do nothing
)
select id::text
from fence
