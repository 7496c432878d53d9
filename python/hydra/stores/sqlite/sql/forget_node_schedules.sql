-- Index: primary key of hydra_node_schedule.
delete from hydra_node_schedule
where node_id = :node
