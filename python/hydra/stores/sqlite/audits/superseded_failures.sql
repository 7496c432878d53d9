-- Scans hydra_record in primary key order. Only a failure that was recorded before can be forgotten, or what a child
-- said.
select 'G3', r.execution_id, 'record ' || r.seq || ' supersedes record ' || r.ordinal || ', which is '
    || coalesce('a `' || f.kind || '`', 'missing')
from hydra_record as r
join hydra_execution as e on e.id = r.execution_id and e.namespace = :namespace
left join hydra_record as f on f.execution_id = r.execution_id and f.seq = r.ordinal and f.seq < r.seq
where r.kind = 'supersede'
    and coalesce(f.kind, '') <> 'failure'
    and not (coalesce(f.kind, '') = 'event' and substr(f.name, 1, 12) = 'hydra.child:')
