-- Index: primary key of hydra_node_beat, the one row a heartbeat writes (R2).
update hydra_node_beat force index (primary)
set counter = counter + 1,
    beat_at = {now}
where node_id = {node}
