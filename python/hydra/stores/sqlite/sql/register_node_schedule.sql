-- Index: primary key of hydra_node_schedule.
insert into hydra_node_schedule (node_id, name)
values (:node, :name)
on conflict (node_id, name) do nothing
