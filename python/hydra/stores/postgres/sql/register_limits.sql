-- Index: primary keys of hydra_limit and hydra_limit_key. What an operator has set stays; what waits at a limit that is
-- new, or another, is looked at.
with registered as (
    insert into hydra_limit as l (namespace, kind, name, count, per_us, burst)
    select %(namespace)s, i.kind, i.name, i.count, i.per_us, i.burst
    from unnest(%(kinds)s, %(names)s, %(counts)s, %(pers_us)s, %(bursts)s) as i (kind, name, count, per_us, burst)
    on conflict (namespace, kind, name) do update
    set count = excluded.count,
        per_us = excluded.per_us,
        burst = excluded.burst
    where (l.count, l.per_us, l.burst) <> (excluded.count, excluded.per_us, excluded.burst)
    returning l.kind, l.name
)
insert into hydra_gate_call (namespace, limit_key)
select %(namespace)s, k.limit_key
from registered as r
cross join lateral (
    select k.limit_key
    from hydra_limit_key as k
    where k.namespace = %(namespace)s
        and k.limit_key >= r.kind || ':' || r.name || ':'
        and k.limit_key < r.kind || ':' || r.name || ';'
    offset 0
) as k
