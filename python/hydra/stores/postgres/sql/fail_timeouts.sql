-- Index: hydra_execution_timeout, primary key of hydra_record. What runs is flagged for its owner (R10), what does not
-- is failed, unless it has registered what undoes it: that is due at once, and fails once it was undone. Records are
-- read as they were before the lock: a row that says there are more of them may have registered something, so it is
-- due, too. One statement changes a row once: a parent that is late along with its child hears of both by its own
-- change.
with due as materialized (
    select
        e.id,
        e.status,
        exists (
            select 1 from hydra_record as r where r.execution_id = any(array[e.id]) and r.name = 'hydra.on_failure'
        )
        or e.record_count <> (select coalesce(max(r.seq), 0) from hydra_record as r
            where r.execution_id = e.id) as is_undoable
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.timeout_at <= %(now)s
        and e.attention is null
        and e.status <> 'parked'
    order by e.timeout_at
    limit %(limit)s
    for update skip locked  -- guard R15: a time-out passes over what is being ended
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
    {links_of_ended status='failed' cause='timeout' payload=null::bytea}
), heard as materialized (
    {heard}
), stirred as materialized (
    {stirred chosen=due}
), flagged as (
    {flagged attention='timeout'}
), unwound as (
    {unwound attention='timeout'}
), woken as (
    {woken of=stirred}
        and stirred.status is null  -- the others hear by their own change
), told as (
    {told}
), counted as (
    insert into hydra_count (namespace, workflow, status, count)
    select e.namespace, e.workflow, 'failed', count(*)
    from ended as e
    group by e.namespace, e.workflow
)
select
    (select count(*) from flagged) + (select count(*) from unwound) + (select count(*) from ended),
    array(select ended.id::text from ended order by ended.id)
