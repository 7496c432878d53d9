-- Scans hydra_record in primary key order. The tries of one step are numbered upwards.
select 'G4', r.execution_id, concat('try ', later.attempt, ' of step `', r.name, '` ', r.branch, '#', r.ordinal,
    ' stands at record ', later.seq, ', after try ', r.attempt, ' at record ', r.seq)
from hydra_record as r
join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
join hydra_record as later
    on later.execution_id = r.execution_id
    and later.seq > r.seq
    and later.branch = r.branch
    and later.name = r.name
    and later.ordinal = r.ordinal
    and later.kind in ('try', 'crash', 'step', 'failure')
    and later.attempt < r.attempt
where r.kind in ('try', 'crash')
    and not exists (
        select 1
        from hydra_record as s
        where s.execution_id = r.execution_id
            and s.seq > r.seq
            and s.seq < later.seq
            and s.kind = 'supersede'
    )
