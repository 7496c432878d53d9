-- Index: primary keys of hydra_execution and hydra_progress. Only of what this node runs; rows in the order of their
-- places.
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), reported as (
    insert into hydra_progress (execution_id, started_at, reported_at, ordinal, attempt, place, branch, name, payload)
    select e.id, i.started_at, i.reported_at, i.ordinal, i.attempt, i.place, i.branch, i.name, i.payload
    from fence
    cross join unnest(
        %(ids)s, %(started_ats)s, %(reported_ats)s, %(ordinals)s, %(attempts)s, %(places)s, %(branches)s, %(names)s,
        %(payloads)s
    ) as i (id, started_at, reported_at, ordinal, attempt, place, branch, name, payload)
    join hydra_execution as e on e.id = any(array[i.id])
    where e.owner = fence.id
    order by i.id, i.place
    on conflict (execution_id, place) do update
    set attempt = excluded.attempt,
        payload = excluded.payload,
        started_at = excluded.started_at,
        reported_at = excluded.reported_at
)
select fence.id::text
from fence
