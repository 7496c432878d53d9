-- Index: primary key of hydra_key_pause. In the order of the keys. A cool-down makes none shorter; what a person says
-- holds.
insert into hydra_key_pause as p (namespace, limit_key, until_at, paused_at, paused_by, reason)
select %(namespace)s, i.limit_key, i.until_at, i.paused_at, i.paused_by, i.reason
from unnest(%(keys)s, %(until_ats)s, %(paused_ats)s, %(paused_bys)s, %(reasons)s)
    as i (limit_key, until_at, paused_at, paused_by, reason)
order by i.limit_key
on conflict (namespace, limit_key) do update
set until_at = excluded.until_at,
    paused_at = excluded.paused_at,
    paused_by = excluded.paused_by,
    reason = excluded.reason
where %(is_order)s = 1 or excluded.until_at > p.until_at
