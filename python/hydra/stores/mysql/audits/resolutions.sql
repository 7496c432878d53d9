-- Scans hydra_record in primary key order. A person can only settle a step that was started.
select 'G4', r.execution_id, concat('record ', r.seq, ' settles step `', r.name, '`, which was never started')
from hydra_record as r
join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
where r.kind = 'resolution'
    and not exists (
        select 1
        from hydra_record as s
        where s.execution_id = r.execution_id
            and s.seq < r.seq
            and s.kind = 'start'
            and s.branch = r.branch
            and s.name = r.name
            and s.ordinal = r.ordinal
    )
