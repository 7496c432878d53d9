-- Index: primary key of hydra_weight. Null: the code's weight holds again.
insert into hydra_weight (namespace, limit_key, set_weight)
values (:namespace, :key, :weight)
on conflict (namespace, limit_key) do update set set_weight = excluded.set_weight
