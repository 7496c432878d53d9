-- Index: primary key of hydra_key_pause. A cool-down makes none shorter; what a person says holds.
insert into hydra_key_pause (namespace, limit_key, until_at, paused_at, paused_by, reason)
select :namespace, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
from json_each(:rows)
where true
on conflict (namespace, limit_key) do update
set until_at = excluded.until_at,
    paused_at = excluded.paused_at,
    paused_by = excluded.paused_by,
    reason = excluded.reason
where :is_order or excluded.until_at > hydra_key_pause.until_at
