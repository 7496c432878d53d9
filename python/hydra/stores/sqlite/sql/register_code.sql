-- Index: primary key of hydra_node_beat: the node's own row that is not the fence (R2).
update hydra_node_beat
set code_version = :code_version
where node_id = :node
