-- Index: hydra_execution_ready, no more of it than :slots entries for each workflow, from the place given (see
-- heads.py); primary keys for the rest. Locks and marks (R12); the records are read by a later statement. Lock order:
-- the node's row, then executions that nobody holds (skip locked), so a claim waits for nobody but its reaper. `quota`
-- shares the slots out before anything is locked; for one workflow there is nothing to share. Lengths of inputs and
-- records are summed up before any is read: what is too much stays where it is, and what is more than any claim takes
-- comes back with its size alone. What is paused has no queue.
with fence as materialized (
    select n.id, n.pause_count
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), queue as materialized (
    select w.name, w.rank, w.run_at
    from fence
    -- a pause that this snapshot does not show has raised the count in the row that is locked: nothing is taken
    join hydra_node as seen on seen.id = any(array[fence.id]) and seen.pause_count = fence.pause_count
    cross join unnest(%(workflows)s, %(ranks)s, %(run_ats)s) as w (name, rank, run_at)
    where not exists (
        select 1
        from hydra_pause as p
        where p.namespace = %(namespace)s
            and p.kind = 'namespace'
    )
        and not exists (
            select 1
            from hydra_pause as p
            where p.namespace = %(namespace)s
                and p.kind = 'workflow'
                and p.name = any(array[w.name])
        )
), head as materialized (
    select w.name, w.rank, w.run_at as from_run_at, h.priority, h.run_at, h.id
    from queue as w
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
    from queue as w
    where cardinality(%(workflows)s) = 1
), taken as materialized (
    select h.id, h.priority, h.run_at, h.epoch
    from quota as q
    cross join lateral (
        select e.id, e.priority, e.run_at, e.epoch
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.workflow = q.name
            and e.status = 'pending'
            and e.wake_at is null
            and (-e.priority::bigint, e.run_at) >= (q.rank, q.from_run_at)
        order by -e.priority::bigint, e.run_at, e.id
        limit q.slots
        for update skip locked  -- guard R14: claims skip what is locked
    ) as h
), sized as materialized (
    select s.id, s.priority, s.run_at, s.size, sum(case when s.size > %(bytes_max)s then 0 else s.size end) over (
        order by -s.priority::bigint, s.run_at, s.id
    ) as bytes_so_far
    from (
        select
            t.id,
            t.priority,
            t.run_at,
            octet_length(s.input) + case
                when t.epoch = 0 then 0
                else (
                    select coalesce(sum(octet_length(r.payload)), 0)
                    from hydra_record as r
                    where r.execution_id = any(array[t.id])
                )
            end as size
        from taken as t
        join hydra_submission as s on s.execution_id = any(array[t.id])
    ) as s
), marked as (
    update hydra_execution as e
    set status = 'running',
        owner = %(node)s,
        epoch = e.epoch + 1,  -- guard R10: each claim raises the epoch
        claimed_at = %(now)s,
        started_at = coalesce(e.started_at, %(now)s),
        priority = coalesce(e.own_priority, e.priority),
        run_at = coalesce(e.own_run_at, e.run_at),
        own_priority = null,
        own_run_at = null
    from sized
    where e.id = any(array[sized.id])
        and sized.size <= %(bytes_max)s
        and (sized.bytes_so_far <= %(bytes)s or sized.bytes_so_far = sized.size)
    returning e.*, sized.priority as queued_priority, sized.run_at as queued_run_at
)
select
    e.id::text, e.epoch, e.workflow, s.key, s.input, e.attempt, e.priority, e.run_at, e.claimed_at, s.submitted_at,
    e.timeout_at, e.wake_seq, e.attention, e.death_count, e.alone_death_count, s.tags::text,
    e.queued_priority, e.queued_run_at, null::bigint
from fence
left join marked as e on true
left join hydra_submission as s on s.execution_id = any(array[e.id])
union all
select
    sized.id::text, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
    null, null, sized.size
from sized
where sized.size > %(bytes_max)s
