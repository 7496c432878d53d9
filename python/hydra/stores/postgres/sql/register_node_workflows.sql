-- Index: primary key of hydra_node_workflow.
insert into hydra_node_workflow (node_id, workflow)
select %(node)s, i.name
from unnest(%(names)s) as i (name)
on conflict do nothing
