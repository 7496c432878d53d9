-- Index: primary key of hydra_execution. Locks each row, in the order of the ids, before it decides (R14): what runs is only asked (R10),
-- anything else ends here, unless it has registered what undoes it: that is due at once, and ends once it was undone. A running row is flagged under the lock its suspend needs too, so one of the two sees the other.
-- Records are read as they were before the lock: a row that says there are more of them may have registered something, so it is due, too.
-- One statement changes a row once: a parent that is cancelled along with its child hears of both by its own change.
with locked as materialized (
    select
        e.id,
        e.status,
        not (e.id = any(%(forced)s)) and (
            exists (
                select 1 from hydra_record as r where r.execution_id = any(array[e.id]) and r.name = 'hydra.on_failure'
            )
            or e.record_count <> (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id)
        ) as is_undoable
    from hydra_execution as e
    where e.id = any(%(ids)s)
        and e.namespace = %(namespace)s
    order by e.id
    for update
), ended as (
    delete from hydra_execution as e
    using locked
    where e.id = any(array[locked.id])
        and locked.status <> 'running'
        and not locked.is_undoable
    returning e.*
), outcome as (
    insert into hydra_outcome (
        execution_id, finished_at, run_at, started_at, claimed_at, timeout_at, epoch, attempt, wake_seq, record_count,
        death_count, alone_death_count, cause_seq, status, attention, namespace, workflow, cause
    )
    select
        e.id, %(now)s, e.run_at, e.started_at, e.claimed_at, e.timeout_at, e.epoch, e.attempt, e.wake_seq, e.record_count,
        e.death_count, e.alone_death_count, 0, 'cancelled', 'cancel', e.namespace, e.workflow, ''
    from ended as e
), link as (
    delete from hydra_child as c
    using ended
    where ended.is_child
        and c.child_id = any(array[ended.id])
    returning c.child_id, c.request_id, c.parent_id
), flagged as (
    update hydra_execution as e
    set attention = 'cancel',
        wake_seq = e.wake_seq + case when e.id = any(array(select link.parent_id from link)) then 1 else 0 end
    from locked
    where e.id = any(array[locked.id])
        and locked.status = 'running'
    returning e.id
), unwound as (
    update hydra_execution as e
    set status = 'pending',
        owner = null,  -- it is: but the row is checked as the snapshot has it, before it is looked at once more
        attention = 'cancel',
        run_at = %(now)s,
        wake_at = null,
        wake_seq = e.wake_seq + case when e.id = any(array(select link.parent_id from link)) then 1 else 0 end
    from locked
    where e.id = any(array[locked.id])
        and locked.status <> 'running'
        and locked.is_undoable
    returning e.id
), parent as materialized (
    select e.id
    from hydra_execution as e
    where e.id = any(array(select link.parent_id from link))
        and not e.id = any(array(select locked.id from locked))
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
        convert_to('cancelled', 'UTF8') || decode('00', 'hex') || convert_to('', 'UTF8') || decode('00', 'hex') || coalesce(null::bytea, ''::bytea)
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
)
insert into hydra_count (namespace, workflow, status, count)
select e.namespace, e.workflow, 'cancelled', count(*)
from ended as e
group by e.namespace, e.workflow
