-- Index: primary key of hydra_node_beat.
delete t from hydra_node_beat as t force index (primary)
where node_id in ({ids})
