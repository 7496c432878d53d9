-- Index: primary key of hydra_node_workflow.
insert into hydra_node_workflow (node_id, workflow)
values (:node, :name)
on conflict (node_id, workflow) do nothing
