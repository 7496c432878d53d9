-- Index: primary key of hydra_pause. One who pauses it again says why, and since when stays.
insert into hydra_pause (namespace, kind, name, paused_at, paused_by, reason)
values (:namespace, :kind, :name, :paused_at, :paused_by, :reason)
on conflict (namespace, kind, name) do update
set paused_by = excluded.paused_by,
    reason = excluded.reason
