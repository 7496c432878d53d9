-- Index: primary key of hydra_probe.
delete t from hydra_probe as t force index (primary)
where id = {id}
