-- Index: primary key of hydra_progress; the executions are locked.
insert into hydra_progress (execution_id, place, branch, name, ordinal, attempt, payload, started_at, reported_at)
values {rows}
on duplicate key update
    attempt = values(attempt), payload = values(payload), started_at = values(started_at),
        reported_at = values(reported_at)
