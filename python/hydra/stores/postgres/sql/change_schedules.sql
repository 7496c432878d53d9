-- Index: primary key of hydra_schedule. As fire_schedules, for a program, which is no node.
with locked as materialized (
    select s.name, s.revision, s.mark_at
    from hydra_schedule as s
    where s.namespace = %(namespace)s
        and s.name = any(%(names)s)
    order by s.name
    for update
)
update hydra_schedule as s
set revision = s.revision + 1,
    mark_at = i.mark_at,
    next_at = i.next_at,
    paused_at = i.paused_at,
    progress = i.progress
from unnest(%(names)s, %(revisions)s, %(mark_ats)s, %(next_ats)s, %(paused_ats)s, %(progresses)s)
    as i (name, revision, mark_at, next_at, paused_at, progress)
join locked on locked.name = i.name and locked.revision = i.revision and locked.mark_at <= i.mark_at
where s.namespace = %(namespace)s
    and s.name = any(array[locked.name])
returning s.name
