-- Index: hydra_execution_timeout, primary key of hydra_record. What runs is flagged for its owner (R10), what does not is failed, unless it
-- has registered what undoes it: that is due at once, and fails once it was undone. Records are read as they were before the lock: a row that
-- says there are more of them may have registered something, so it is due, too.
-- One statement changes a row once: a parent that is late along with its child hears of both by its own change.
with due as materialized (
    select
        e.id,
        e.status,
        exists (
            select 1 from hydra_record as r where r.execution_id = any(array[e.id]) and r.name = 'hydra.on_failure'
        )
        or e.record_count <> (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id) as is_undoable
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.timeout_at <= %(now)s
        and e.attention is null
        and e.status <> 'parked'
    order by e.timeout_at
    limit %(limit)s
    for update skip locked
), ended as (
    delete from hydra_execution as e
    using due
    where e.id = any(array[due.id])
        and due.status <> 'running'
        and not due.is_undoable
    returning e.*
), outcome as (
    insert into hydra_outcome (
        execution_id, finished_at, run_at, started_at, claimed_at, timeout_at, epoch, attempt, wake_seq, record_count,
        death_count, alone_death_count, cause_seq, status, attention, namespace, workflow, cause
    )
    select
        e.id, %(now)s, e.run_at, e.started_at, e.claimed_at, e.timeout_at, e.epoch, e.attempt, e.wake_seq,
        e.record_count, e.death_count, e.alone_death_count, 0, 'failed', e.attention, e.namespace, e.workflow, 'timeout'
    from ended as e
), link as (
    delete from hydra_child as c
    using ended
    where ended.is_child
        and c.child_id = any(array[ended.id])
    returning c.child_id, c.request_id, c.parent_id
), flagged as (
    update hydra_execution as e
    set attention = 'timeout',
        wake_seq = e.wake_seq + case when e.id = any(array(select link.parent_id from link)) then 1 else 0 end
    from due
    where e.id = any(array[due.id])
        and due.status = 'running'
    returning e.id
), unwound as (
    update hydra_execution as e
    set status = 'pending',
        owner = null,  -- it is: but the row is checked as the snapshot has it, before it is looked at once more
        attention = 'timeout',
        run_at = %(now)s,
        wake_at = null,
        wake_seq = e.wake_seq + case when e.id = any(array(select link.parent_id from link)) then 1 else 0 end
    from due
    where e.id = any(array[due.id])
        and due.status <> 'running'
        and due.is_undoable
    returning e.id
), parent as materialized (
    select e.id
    from hydra_execution as e
    where e.id = any(array(select link.parent_id from link))
        and not e.id = any(array(select due.id from due))
    order by e.id
    for update
), woken as (
    update hydra_execution as e
    set status = case when e.status = 'waiting' then 'pending' else e.status end,
        run_at = case when e.status = 'waiting' then %(now)s else e.run_at end,
        wake_at = case when e.status = 'waiting' then null else e.wake_at end,
        wake_seq = e.wake_seq + 1
    from parent
    where e.id = any(array[parent.id])
    returning e.id
), told as (
    insert into hydra_message (execution_id, id, sent_at, name, payload)
    select
        link.parent_id,
        link.request_id,
        %(now)s,
        'hydra.child:' || link.request_id,
        convert_to('failed', 'UTF8') || decode('00', 'hex') || convert_to('timeout', 'UTF8') || decode('00', 'hex') || coalesce(null::bytea, ''::bytea)
    from link
    join (
        select id from woken
        union all
        select id from flagged
        union all
        select id from unwound
    ) as hearing on hearing.id = link.parent_id
    join ended on ended.id = link.child_id
    on conflict (execution_id, id) do nothing
), counted as (
    insert into hydra_count (namespace, workflow, status, count)
    select e.namespace, e.workflow, 'failed', count(*)
    from ended as e
    group by e.namespace, e.workflow
)
select (select count(*) from flagged) + (select count(*) from unwound) + (select count(*) from ended)
