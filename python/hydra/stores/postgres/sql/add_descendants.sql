-- Index: primary key of hydra_descendant. A child is part of its parent's tree.
insert into hydra_descendant (execution_id, root_id)
select i.child_id, coalesce((select d.root_id from hydra_descendant as d where d.execution_id = i.parent_id),
    i.parent_id)
from unnest(%(ids)s, %(request_ids)s, %(parent_ids)s) as i (child_id, request_id, parent_id)
where i.child_id = i.request_id
on conflict (execution_id) do nothing
