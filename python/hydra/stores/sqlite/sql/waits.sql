-- Index: primary keys of hydra_execution and hydra_record. Looks through no more than the last records.
select
    w.seq, w.kind, w.branch, w.name, w.ordinal, w.attempt, w.digest, w.payload, w.started_at, w.finished_at, w.due_at
from (
    select
        r.*,
        sum(r.kind in ('event', 'expiry')) over (partition by r.branch, r.name, r.ordinal) as outcome_count
    from hydra_execution as e
    join hydra_record as r on r.execution_id = e.id
        and r.seq > (select max(last.seq) from hydra_record as last where last.execution_id = e.id) - :limit
    where e.id = :id
        and e.namespace = :namespace
        and r.kind in ('wait', 'event', 'expiry')
) as w
where w.kind = 'wait'
    and w.outcome_count = 0
order by w.seq
