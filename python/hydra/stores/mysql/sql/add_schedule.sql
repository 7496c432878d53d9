-- Index: primary key of hydra_schedule, in name order, so that nodes that start together queue and never cross. What is
-- known stays.
insert into hydra_schedule (namespace, name, spec, revision, mark_at, next_at, paused_at, progress)
values ({namespace}, {schedule}, {spec}, 1, {mark_at}, {next_at}, null, {progress})
on duplicate key update revision = hydra_schedule.revision
