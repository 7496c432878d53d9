-- Index: primary key of hydra_node_schedule; the node's own rows.
insert into hydra_node_schedule (node_id, name)
values {rows}
on duplicate key update name = hydra_node_schedule.name
