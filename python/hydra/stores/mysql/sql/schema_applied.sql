-- Index: primary key of hydra_schema.
insert into hydra_schema (version)
values ({version})
on duplicate key update version = hydra_schema.version
