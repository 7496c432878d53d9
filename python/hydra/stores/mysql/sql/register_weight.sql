-- Index: primary key of hydra_weight. What an operator has set stays.
insert into hydra_weight (namespace, limit_key, weight)
values ({namespace}, {key}, {weight})
on duplicate key update
    weight = values(weight)
