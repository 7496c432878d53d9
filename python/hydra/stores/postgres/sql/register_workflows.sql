-- Index: primary keys of hydra_workflow and hydra_node_beat (the node's own row that is not the fence, R2). Names come
-- sorted, so two nodes that start together never wait in a ring; what is known already is not written again.
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), registered as (
    insert into hydra_workflow as w (namespace, name, signature, timeout_us, code_version, labels)
    select %(namespace)s, i.name, i.signature, i.timeout_us, i.code_version, i.labels
    from fence
    cross join unnest(%(names)s, %(signatures)s, %(timeouts_us)s, %(code_versions)s, %(labels)s)
        as i (name, signature, timeout_us, code_version, labels)
    on conflict (namespace, name) do update
    set signature = excluded.signature,
        timeout_us = excluded.timeout_us,
        code_version = excluded.code_version,
        labels = excluded.labels
    where w.signature <> excluded.signature
        or w.timeout_us is distinct from excluded.timeout_us
        or w.code_version <> excluded.code_version
        or w.labels <> excluded.labels
), served as (
    insert into hydra_node_workflow (node_id, workflow)
    select fence.id, i.name
    from fence
    cross join unnest(%(served)s) as i (name)
    on conflict do nothing
), coded as (
    update hydra_node_beat as b
    set code_version = (%(code_versions)s)[1]
    from fence
    where b.node_id = fence.id
        and cardinality(%(code_versions)s) > 0
)
select id::text
from fence
