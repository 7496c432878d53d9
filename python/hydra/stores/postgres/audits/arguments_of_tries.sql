-- Scans hydra_record by primary key for executions in which a step has several records, and sorts theirs by step: no
-- record is held against all others of its execution. Tries of one step have one idempotency key, so they have one set
-- of arguments, until a new attempt begins another era. Each is held against the one before it whose digest is keyed
-- (payload_keys) as its own, or not.
with suspect as (
    select r.execution_id
    from hydra_record as r
    join hydra_submission as e on e.execution_id = r.execution_id and e.namespace = %(namespace)s
    where r.kind in ('start', 'try', 'crash', 'step', 'failure')
        and length(r.digest) > 0
    group by r.execution_id
    having count(*) > count(distinct hashtextextended(r.branch || ' ' || r.name, r.ordinal))
), known as (
    select
        r.execution_id, r.seq, r.kind, r.branch, r.name, r.ordinal, r.digest,
        count(case when r.kind = 'supersede' then 1 end) over (
            partition by r.execution_id
            order by r.seq
            rows unbounded preceding
        ) as era
    from suspect as s
    join hydra_record as r on r.execution_id = s.execution_id
    where r.kind in ('start', 'try', 'crash', 'step', 'failure', 'supersede')
), tried as (
    select
        k.execution_id, k.seq, k.branch, k.name, k.ordinal, k.digest,
        lag(k.seq) over step as before_seq,
        lag(k.digest) over step as before_digest
    from known as k
    where k.kind <> 'supersede'
        and length(k.digest) > 0
    window step as (
        partition by k.execution_id, k.era, k.branch collate "C", k.name collate "C", k.ordinal, length(k.digest) = 17
        order by k.seq
    )
)
select
    'G4',
    t.execution_id::text,
    format(
        'step `%%s` %%s#%%s has other arguments at record %%s than at record %%s, under one idempotency key',
        t.name, t.branch, t.ordinal, t.seq, t.before_seq
    )
from tried as t
where t.digest <> t.before_digest
