-- Index: primary key of hydra_limit_key, once for each, locked before and where it was then: a join would be free to
-- compare each with all keys of the namespace.
update hydra_limit_key as k
set due_at = i.due_at,
    look_at = i.look_at
from (
    select i.due_at, i.look_at, k.ctid as place
    from unnest(%(keys)s, %(due_ats)s, %(look_ats)s) as i (limit_key, due_at, look_at)
    cross join lateral (
        select k.ctid
        from hydra_limit_key as k
        where k.namespace = %(namespace)s
            and k.limit_key = i.limit_key
        offset 0
    ) as k
) as i
where k.ctid = i.place
