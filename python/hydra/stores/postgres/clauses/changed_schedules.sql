-- Index: primary key of hydra_schedule. The revision is the one the decision was made on; the mark only grows (R25).
update hydra_schedule as s
set revision = s.revision + 1,
    mark_at = i.mark_at,
    next_at = i.next_at,
    paused_at = i.paused_at,
    progress = i.progress
from unnest(%(names)s, %(revisions)s, %(mark_ats)s, %(next_ats)s, %(paused_ats)s, %(progresses)s)
    as i (name, revision, mark_at, next_at, paused_at, progress)
-- guard R25: a tick compares the revision
-- guard R25: the mark only grows
join locked on locked.name = i.name and locked.revision = i.revision and locked.mark_at <= i.mark_at
where s.namespace = %(namespace)s
    and s.name = any(array[locked.name])
returning s.name
