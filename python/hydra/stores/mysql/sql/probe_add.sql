-- Index: primary key of hydra_probe.
insert into hydra_probe (id)
values ({id})
