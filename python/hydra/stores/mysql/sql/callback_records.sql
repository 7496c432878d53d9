-- Index: primary keys of hydra_execution and hydra_record. Walks over the execution's records, and of
-- their payloads reads those of this one callback: not even of what was set aside.
select
    r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest,
    case when r.name = {aside} then null else r.payload end,
    r.started_at, r.finished_at, r.due_at
from hydra_execution as e force index (primary)
straight_join hydra_record as r force index (primary) on r.execution_id = e.id
where e.id = {id}
    and e.namespace = {namespace}
    and (
        r.name in ({names})
        or (r.kind = 'value' and length(r.payload) = length({token}) and r.payload = {token})
    )
order by r.seq
