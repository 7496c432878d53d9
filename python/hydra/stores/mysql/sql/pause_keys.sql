-- Index: primary key of hydra_key_pause. In the order of the keys. A cool-down makes none shorter; what a person says
-- holds. Assignments happen in their order: `until_at`, which they compare, is the last.
insert into hydra_key_pause (namespace, limit_key, until_at, paused_at, paused_by, reason)
values {rows}
on duplicate key update
    paused_at = if({is_order} or values(until_at) > until_at, values(paused_at), paused_at),
    paused_by = if({is_order} or values(until_at) > until_at, values(paused_by), paused_by),
    reason = if({is_order} or values(until_at) > until_at, values(reason), reason),
    until_at = if({is_order} or values(until_at) > until_at, values(until_at), until_at)
