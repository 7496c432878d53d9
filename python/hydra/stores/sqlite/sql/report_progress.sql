-- Index: primary keys of hydra_execution and hydra_progress. Only of what this node runs.
insert into hydra_progress (execution_id, place, branch, name, ordinal, attempt, payload, started_at, reported_at)
select
    row.column1, row.column3, row.column4, row.column5, row.column6, row.column7, row.column8, row.column9, row.column10
from (values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) as row
where exists (
    select 1
    from hydra_execution as e
    where e.id = row.column1
        and +e.owner = row.column2
)
on conflict (execution_id, place) do update
set attempt = excluded.attempt,
    payload = excluded.payload,
    started_at = excluded.started_at,
    reported_at = excluded.reported_at
