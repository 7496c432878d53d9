-- Index: primary key of hydra_schedule, once for each, in the order of their names. Each row as it is once locked,
-- beside what was decided: a join afterwards would hold each against each.
select
    s.name,
    s.revision,
    s.mark_at,
    i.revision as decided_on,
    i.mark_at as next_mark_at,
    i.next_at,
    i.paused_at,
    i.progress
from (
    select *
    from unnest(%(names)s, %(revisions)s, %(mark_ats)s, %(next_ats)s, %(paused_ats)s, %(progresses)s)
        as i (name, revision, mark_at, next_at, paused_at, progress)
    order by i.name collate "C"
) as i
cross join lateral (
    select s.name, s.revision, s.mark_at
    from hydra_schedule as s
    where s.namespace = %(namespace)s
        and s.name = i.name
    for update
) as s
