-- Index: primary key of hydra_pause. One who pauses it again says why, and since when stays.
insert into hydra_pause (namespace, kind, name, paused_at, paused_by, reason)
values (%(namespace)s, %(kind)s, %(name)s, %(paused_at)s, %(paused_by)s, %(reason)s)
on conflict (namespace, kind, name) do update
set paused_by = excluded.paused_by,
    reason = excluded.reason
