-- Index: primary keys of hydra_node and hydra_schedule. For an open transaction: the fence's lock is held to its end (R6), and so are the
-- rows', which everybody locks in the order of their names and before keys and executions. The revision is the one the decision was
-- made on, read again under the lock; the mark only grows (R25).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s
        and n.namespace = %(namespace)s
        and n.state = 'alive'
    for share
), locked as materialized (
    select s.name, s.revision, s.mark_at
    from hydra_schedule as s
    where s.namespace = %(namespace)s
        and s.name = any(%(names)s)
        and exists (select 1 from fence)
    order by s.name
    for update
), changed as (
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
)
select changed.name
from fence
left join changed on true
