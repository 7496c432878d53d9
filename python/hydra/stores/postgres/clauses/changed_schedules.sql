-- Index: primary key of hydra_schedule. The revision is the one the decision was made on; the mark only grows (R25).
update hydra_schedule as s
set revision = s.revision + 1,
    mark_at = locked.next_mark_at,
    next_at = locked.next_at,
    paused_at = locked.paused_at,
    progress = locked.progress
from locked
where s.namespace = %(namespace)s
    and s.name = any(array[locked.name])
    -- guard R25: a tick compares the revision
    -- guard R25: the mark only grows
    and locked.revision = locked.decided_on and locked.mark_at <= locked.next_mark_at
returning s.name
