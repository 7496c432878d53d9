-- Scans hydra_record by primary key for executions in which a step has several records, and sorts theirs by step: no
-- record is held against all others of its execution. Tries of one step have one idempotency key, so they have one set
-- of arguments, until a new attempt begins another era. Each is held against the one before it whose digest is keyed
-- (payload_keys) as its own, or not.
with suspect as (
    select r.execution_id
    from hydra_record as r
    join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
    where r.kind in ('start', 'try', 'crash', 'step', 'failure')
        and length(r.digest) > 0
    group by r.execution_id
    having count(*) > count(distinct unhex(sha2(concat(r.ordinal, ' ', length(r.branch), ' ', r.branch, r.name), 256)))
), known as (
    select
        r.execution_id, r.seq, r.kind, r.digest,
        unhex(sha2(concat(r.ordinal, ' ', length(r.branch), ' ', r.branch, r.name), 256)) as step,
        count(case when r.kind = 'supersede' then 1 end) over (
            partition by r.execution_id
            order by r.seq
            rows unbounded preceding
        ) as era
    from suspect as s
    straight_join hydra_record as r on r.execution_id = s.execution_id
    where r.kind in ('start', 'try', 'crash', 'step', 'failure', 'supersede')
), tried as (
    select
        k.execution_id, k.seq, k.digest,
        lag(k.seq) over (
            partition by k.execution_id, k.era, k.step, length(k.digest) = 17
            order by k.seq
        ) as before_seq,
        lag(k.digest) over (
            partition by k.execution_id, k.era, k.step, length(k.digest) = 17
            order by k.seq
        ) as before_digest
    from known as k
    where k.kind <> 'supersede'
        and length(k.digest) > 0
)
select 'G4', t.execution_id, concat('step `', r.name, '` ', r.branch, '#', r.ordinal,
    ' has other arguments at record ', t.seq, ' than at record ', t.before_seq, ', under one idempotency key')
from tried as t
straight_join hydra_record as r on r.execution_id = t.execution_id and r.seq = t.seq
where t.digest <> t.before_digest
