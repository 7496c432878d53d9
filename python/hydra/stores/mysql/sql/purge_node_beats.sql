-- Index: primary key of hydra_node_beat.
delete from hydra_node_beat
where node_id in ({ids})
