-- Scans hydra_node_schedule, which is small; primary key of hydra_node. After its nodes.
delete from hydra_node_schedule
where not exists (select 1 from hydra_node as n where n.id = hydra_node_schedule.node_id)
