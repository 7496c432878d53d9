-- Index: primary key of hydra_child; what is there already stays as it is (R18).
insert into hydra_child (child_id, request_id, parent_id)
values {rows}
on duplicate key update request_id = hydra_child.request_id
