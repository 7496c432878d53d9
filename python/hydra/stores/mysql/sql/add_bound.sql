-- Index: primary key of hydra_limit. One that an operator sets and the code does not: 0, which bounds nothing.
insert into hydra_limit (namespace, kind, name, count, per_us, burst)
values ({namespace}, 'pending', {limit_name}, 0, 0, 0)
on duplicate key update count = hydra_limit.count
