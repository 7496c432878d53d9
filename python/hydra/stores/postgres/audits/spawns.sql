-- Scans hydra_record. A spawn keeps the id of what it asked for, in quotes: by that the child's end finds its wait.
select
    'R14',
    r.execution_id::text,
    format(
        'record %%s asked for a child, and what it keeps is no child''s id: look for what was done for `%%s` '
            'before this runs again',
        r.seq, r.name
    )
from hydra_record as r
join hydra_submission as s on s.execution_id = r.execution_id and s.namespace = %(namespace)s
where r.kind = 'spawn'
    and (
        coalesce(length(r.payload), 0) <> 44
        or encode(substr(r.payload, 7), 'escape') !~ '^"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$'
    )
