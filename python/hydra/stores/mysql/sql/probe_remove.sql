-- Index: primary key of hydra_probe.
delete from hydra_probe
where id = {id}
