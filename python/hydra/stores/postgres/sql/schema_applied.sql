-- Index: hydra_schema has one row per migration.
insert into hydra_schema (version, is_additive)
values (%(version)s, %(is_additive)s)
