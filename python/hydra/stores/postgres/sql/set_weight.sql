-- Index: primary key of hydra_weight. Null: the code's weight holds again.
insert into hydra_weight (namespace, limit_key, set_weight)
values (%(namespace)s, %(key)s, (%(weight)s)[1])
on conflict (namespace, limit_key) do update
set set_weight = excluded.set_weight
returning limit_key
