-- Index: primary key of hydra_node_beat, the one row a heartbeat writes (R2). The fence is taken by then, or refused in
-- the same flush, which this must then not pass (R6).
update hydra_node_beat force index (primary)
set counter = counter + 1,
    beat_at = {now}
where node_id = {node}
    and exists (
        select 1
        from hydra_node as n force index (primary)
        where n.id = {node}
            and n.session = {session}
            and n.namespace = {namespace}
            and n.state = 'alive'
    )
