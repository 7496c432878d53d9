-- Index: primary key of hydra_schema.
insert into hydra_schema (version, is_additive)
values ({version}, {is_additive})
on duplicate key update version = hydra_schema.version
