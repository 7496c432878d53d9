-- Index: hydra_execution_ready, no more of it than :slots entries for each workflow, from the place given (see heads.py); primary keys
-- for the rest.
-- Locks and marks (R12); the records are read by a later statement. Lock order: the node's row, then executions that nobody
-- holds (skip locked), so a claim waits for nobody but its reaper. `quota` shares the slots out before anything is locked; for one
-- workflow there is nothing to share.
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s
        and n.namespace = %(namespace)s
        and n.state = 'alive'
    for share
), head as materialized (
    select w.name, w.rank, w.run_at as from_run_at, h.priority, h.run_at, h.id
    from fence
    cross join unnest(%(workflows)s, %(ranks)s, %(run_ats)s) as w (name, rank, run_at)
    cross join lateral (
        select e.id, e.priority, e.run_at
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.workflow = w.name
            and e.status = 'pending'
            and e.wake_at is null
            and (-e.priority::bigint, e.run_at) >= (w.rank, w.run_at)
        order by -e.priority::bigint, e.run_at, e.id
        limit %(slots)s
    ) as h
    where cardinality(%(workflows)s) > 1
), quota as materialized (
    select best.name, best.rank, best.from_run_at, count(*) as slots
    from (select * from head order by -head.priority::bigint, head.run_at, head.id limit %(slots)s) as best
    group by best.name, best.rank, best.from_run_at
    union all
    select w.name, w.rank, w.run_at, %(slots)s
    from unnest(%(workflows)s, %(ranks)s, %(run_ats)s) as w (name, rank, run_at)
    cross join fence
    where cardinality(%(workflows)s) = 1
), taken as materialized (
    select h.id
    from quota as q
    cross join lateral (
        select e.id
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.workflow = q.name
            and e.status = 'pending'
            and e.wake_at is null
            and (-e.priority::bigint, e.run_at) >= (q.rank, q.from_run_at)
        order by -e.priority::bigint, e.run_at, e.id
        limit q.slots
        for update skip locked
    ) as h
), marked as (
    update hydra_execution as e
    set status = 'running',
        owner = %(node)s,
        epoch = e.epoch + 1,
        claimed_at = %(now)s,
        started_at = coalesce(e.started_at, %(now)s)
    from taken
    where e.id = any(array[taken.id])
    returning e.*
)
select
    e.id::text, e.epoch, e.workflow, s.key, s.input, e.attempt, e.priority, e.run_at, e.claimed_at, s.submitted_at,
    e.timeout_at, e.wake_seq, e.attention, e.death_count, e.alone_death_count, s.tags::text
from fence
left join marked as e on true
left join hydra_submission as s on s.execution_id = any(array[e.id])
