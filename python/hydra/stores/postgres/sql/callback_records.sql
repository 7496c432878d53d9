-- Index: primary keys of hydra_submission and hydra_record. Walks over the execution's records, and of
-- their payloads reads those of this one callback: not even of what was set aside.
select
    r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest,
    case when r.name = %(aside)s then null else r.payload end,
    r.started_at, r.finished_at, r.due_at
from hydra_submission as s
join hydra_record as r on r.execution_id = any(array[s.execution_id])
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
    and (
        r.name = any(%(names)s)
        or (r.kind = 'value' and octet_length(r.payload) = octet_length(%(token)s) and r.payload = %(token)s)
    )
order by r.seq
