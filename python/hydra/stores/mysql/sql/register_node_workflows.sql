-- Index: primary key of hydra_node_workflow; the node's own rows.
insert into hydra_node_workflow (node_id, name)
values {rows}
on duplicate key update name = hydra_node_workflow.name
