-- Index: primary key of hydra_child.
insert into hydra_child (child_id, request_id, parent_id)
values (?, ?, ?)
on conflict (child_id, request_id) do nothing
