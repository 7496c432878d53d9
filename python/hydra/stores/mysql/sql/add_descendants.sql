-- Index: primary key of hydra_descendant; what is there already stays as it is (R18).
insert into hydra_descendant (execution_id, root_id)
values {rows}
on duplicate key update root_id = hydra_descendant.root_id
