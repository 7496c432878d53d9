-- Index: primary key of hydra_pause. One who pauses it again says why, and since when stays.
insert into hydra_pause (namespace, kind, name, paused_at, paused_by, reason)
values {row}
on duplicate key update
    paused_by = values(paused_by),
    reason = values(reason)
