-- Index: primary key of hydra_node_schedule.
delete t from hydra_node_schedule as t force index (primary)
where node_id in ({ids})
