-- Index: primary key of hydra_limit. What an operator has set stays.
insert into hydra_limit (namespace, kind, name, count, per_us, burst)
values {rows}
on duplicate key update
    count = values(count),
    per_us = values(per_us),
    burst = values(burst)
