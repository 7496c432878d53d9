-- Scans hydra_record in primary key order. Only a failure that was recorded before can be forgotten, or what a child
-- said.
select
    'G3',
    r.execution_id::text,
    format('record %%s supersedes record %%s, which is %%s', r.seq, r.ordinal,
        coalesce('a `' || f.kind || '`', 'missing'))
from hydra_record as r
join hydra_submission as s on s.execution_id = r.execution_id and s.namespace = %(namespace)s
left join hydra_record as f on f.execution_id = r.execution_id and f.seq = r.ordinal and f.seq < r.seq
where r.kind = 'supersede'
    and coalesce(f.kind, '') <> 'failure'
    and not (coalesce(f.kind, '') = 'event' and left(f.name, 12) = 'hydra.child:')
