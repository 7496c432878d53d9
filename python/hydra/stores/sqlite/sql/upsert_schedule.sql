-- Index: primary key of hydra_schedule. What somebody else changed since the revision was read is left alone (R25).
insert into hydra_schedule (namespace, name, spec, revision, mark_at, next_at, paused_at, progress)
values (:namespace, :name, :spec, 1, :mark_at, :next_at, null, :progress)
on conflict (namespace, name) do update
set spec = excluded.spec,
    revision = hydra_schedule.revision + 1,
    mark_at = excluded.mark_at,
    next_at = excluded.next_at
where hydra_schedule.revision = :revision  -- guard R25: an upsert compares the revision
    and hydra_schedule.spec <> excluded.spec
    and hydra_schedule.mark_at <= excluded.mark_at  -- guard R25: an upsert never takes the mark back
