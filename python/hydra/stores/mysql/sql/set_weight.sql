-- Index: primary key of hydra_weight. Null: the code's weight holds again.
insert into hydra_weight (namespace, limit_key, set_weight)
values ({namespace}, {key}, {weight})
on duplicate key update
    set_weight = values(set_weight)
