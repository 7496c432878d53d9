-- Index: the catalogue's; the first schema of the search path that has hydra's tables.
select to_regclass('hydra_schema')::text
