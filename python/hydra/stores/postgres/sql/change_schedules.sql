-- Index: primary key of hydra_schedule. As fire_schedules, for a program, which is no node.
with locked as materialized (
    select s.name, s.revision, s.mark_at
    from hydra_schedule as s
    where s.namespace = %(namespace)s
        and s.name = any(%(names)s)
    order by s.name
    for update
)
{changed_schedules}
