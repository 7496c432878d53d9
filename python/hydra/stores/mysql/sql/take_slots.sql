-- Index: primary key of hydra_slot.
insert into hydra_slot (namespace, limit_key, execution_id, bound)
values {rows}
on duplicate key update bound = values(bound)
