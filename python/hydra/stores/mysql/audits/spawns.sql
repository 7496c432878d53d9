-- Scans hydra_record. A spawn keeps the id of what it asked for, in quotes: by that the child's end finds its wait.
select 'R14', r.execution_id, concat('record ', r.seq, ' asked for a child, and what it keeps is no child''s id: ',
    'look for what was done for `', r.name, '` before this runs again')
from hydra_record as r
join hydra_execution as e on e.id = r.execution_id and e.namespace = {namespace}
where r.kind = 'spawn'
    and (
        coalesce(length(r.payload), 0) <> 44
        or replace(substring(r.payload, 7), '-', '') not regexp '^"[0-9a-f]*"$'
        or length(replace(substring(r.payload, 7), '-', '')) <> 34
    )
