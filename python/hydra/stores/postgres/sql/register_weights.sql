-- Index: primary key of hydra_weight, the keys of one limit. What an operator has set stays; what the code names no
-- more has its weight no more.
with forgotten as (
    update hydra_weight as w
    set weight = null
    where w.namespace = %(namespace)s
        and w.limit_key >= %(first)s
        and w.limit_key < %(last)s
        and not w.limit_key = any(%(keys)s)
        and w.weight is not null
)
insert into hydra_weight as w (namespace, limit_key, weight)
select %(namespace)s, i.limit_key, i.weight
from unnest(%(keys)s, %(weights)s) as i (limit_key, weight)
order by i.limit_key
on conflict (namespace, limit_key) do update
set weight = excluded.weight
where w.weight is distinct from excluded.weight
