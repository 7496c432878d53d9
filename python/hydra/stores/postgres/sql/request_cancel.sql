-- Index: primary key of hydra_execution. Locks each row, in the order of the ids, before it decides (R14): what runs is
-- only asked (R10), anything else ends here, unless it has registered what undoes it: that is due at once, and ends
-- once it was undone. A running row is flagged under the lock its suspend needs too, so one of the two sees the other.
-- Records are read as they were before the lock: a row that says there are more of them may have registered something,
-- so it is due, too. One statement changes a row once: a parent that is cancelled along with its child hears of both by
-- its own change.
with locked as materialized (
    select
        e.id,
        e.status,
        (e.id in (select f.id from unnest(%(forced)s) as f (id))) is not true and (
            exists (
                select 1 from hydra_record as r where r.execution_id = any(array[e.id]) and r.name = 'hydra.on_failure'
            )
            -- guard R14: a cancel that met a suspend counts the records
            or e.record_count <> (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id)
        ) as is_undoable
    from hydra_execution as e
    where e.id = any(%(ids)s)
        and e.namespace = %(namespace)s
    order by e.id  -- guard R14: rows are locked in the order of their ids
    for update  -- guard R14: a cancel locks the row before it decides
), ended as (
    delete from hydra_execution as e
    using locked
    where e.id = any(array[locked.id])
        and locked.status <> 'running'  -- guard R10: what runs is only asked to end
        and not locked.is_undoable
    returning e.*
), outcome as (
    insert into hydra_outcome (
        execution_id, finished_at, run_at, started_at, claimed_at, timeout_at, epoch, attempt, wake_seq, record_count,
        death_count, alone_death_count, cause_seq, status, attention, namespace, workflow, cause
    )
    select
        e.id, %(now)s, e.run_at, e.started_at, e.claimed_at, e.timeout_at, e.epoch, e.attempt, e.wake_seq,
        e.record_count,
        e.death_count, e.alone_death_count, 0, 'cancelled', 'cancel', e.namespace, e.workflow, ''
    from ended as e
), link as (
    {links_of_ended status='cancelled' cause='' payload=null::bytea}
), heard as materialized (
    {heard}
), stirred as materialized (
    {stirred chosen=locked}
), flagged as (
    {flagged attention='cancel'}
), unwound as (
    {unwound attention='cancel'}
), woken as (
    {woken of=stirred}
        and stirred.status is null  -- the others hear by their own change
), told as (
    {told}
)
insert into hydra_count (namespace, workflow, status, count)
select e.namespace, e.workflow, 'cancelled', count(*)
from ended as e
group by e.namespace, e.workflow
