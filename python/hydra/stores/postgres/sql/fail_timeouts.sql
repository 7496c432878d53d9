-- Index: hydra_execution_timeout. What runs is flagged for its owner (R10), what does not is failed.
with due as materialized (
    select e.id, e.status
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.timeout_at <= %(now)s
        and e.attention is null
        and e.status <> 'parked'
    order by e.timeout_at
    limit %(limit)s
    for update skip locked
), flagged as (
    update hydra_execution as e
    set attention = 'timeout'
    from due
    where e.id = due.id
        and due.status = 'running'
    returning e.id
), ended as (
    delete from hydra_execution as e
    using due
    where e.id = due.id
        and due.status <> 'running'
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
), counted as (
    insert into hydra_count (namespace, workflow, status, count)
    select e.namespace, e.workflow, 'failed', count(*)
    from ended as e
    group by e.namespace, e.workflow
)
select (select count(*) from flagged) + (select count(*) from ended)
