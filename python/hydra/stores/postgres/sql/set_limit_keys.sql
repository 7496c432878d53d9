-- Index: primary key of hydra_limit_key, locked before.
update hydra_limit_key as k
set due_at = i.due_at,
    look_at = i.look_at
from unnest(%(keys)s, %(due_ats)s, %(look_ats)s) as i (limit_key, due_at, look_at)
where k.namespace = %(namespace)s
    and k.limit_key = i.limit_key
