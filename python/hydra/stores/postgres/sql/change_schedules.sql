-- Index: primary key of hydra_schedule. As fire_schedules, for a program, which is no node.
with locked as materialized (
    {locked_schedules}
)
{changed_schedules}
