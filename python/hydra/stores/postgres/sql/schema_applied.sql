-- Index: hydra_schema has one row per migration.
insert into hydra_schema (version)
values (%(version)s)
