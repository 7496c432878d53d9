-- Scans hydra_record in primary key order. Two outcomes of one step are one run too many, unless a new attempt forgot
-- the first.
select 'G3', r.execution_id, 'step `' || r.name || '` ' || r.branch || '#' || r.ordinal || ' has outcomes at records '
    || r.seq || ' and ' || later.seq
from hydra_record as r
join hydra_execution as e on e.id = r.execution_id and e.namespace = :namespace
join hydra_record as later
    on later.execution_id = r.execution_id
    and later.seq > r.seq
    and later.branch = r.branch
    and later.name = r.name
    and later.ordinal = r.ordinal
    and (later.kind in ('step', 'failure', 'value') or (later.kind = 'resolution' and r.kind <> 'resolution'))
where (r.kind in ('step', 'failure', 'value') or (r.kind = 'resolution' and r.payload is not null))
    and not exists (
        select 1
        from hydra_record as s
        where s.execution_id = r.execution_id
            and s.seq > r.seq
            and s.seq < later.seq
            and s.kind = 'supersede'
            and s.ordinal = r.seq
    )
