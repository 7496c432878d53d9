-- Index: hydra_execution_owner, primary key of hydra_record. A later statement than the mark, so it sees every record
-- (R12). What runs under its first epoch has no records.
select
    r.execution_id::text, r.seq, r.kind, r.branch, r.name, r.ordinal, r.attempt, r.digest, r.payload, r.started_at,
    r.finished_at, r.due_at
from (
    select e.id
    from hydra_execution as e
    where e.owner = %(node)s
        and e.status = 'running'
        and e.claimed_at = %(now)s
        and e.epoch > 1
    offset 0
) as e
cross join lateral (
    select r.*
    from hydra_record as r
    where r.execution_id = e.id
    order by r.seq
) as r
