-- Index: primary key of hydra_schedule. The revision is the one the decision was made on; the mark only grows (R25).
update hydra_schedule
set revision = revision + 1,
    mark_at = :mark_at,
    next_at = :next_at,
    paused_at = :paused_at,
    progress = :progress
where namespace = :namespace
    and name = :name
    and revision = :revision  -- guard R25: a tick compares the revision
    and mark_at <= :mark_at  -- guard R25: the mark only grows
