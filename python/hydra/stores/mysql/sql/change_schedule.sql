-- Index: primary key of hydra_schedule. The revision is the one the decision was made on, read again under the row's
-- lock, which is taken in the order of names, before keys and executions; the mark only grows (R25).
update hydra_schedule force index (primary)
set revision = revision + 1,
    mark_at = {mark_at},
    next_at = {next_at},
    paused_at = {paused_at},
    progress = {progress}
where namespace = {namespace}
    and name = {schedule}
    and revision = {revision}  -- guard R25: a tick compares the revision
    and mark_at <= {mark_at}  -- guard R25: the mark only grows
