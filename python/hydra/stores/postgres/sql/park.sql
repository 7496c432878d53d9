-- Index: primary keys of hydra_execution, hydra_record and hydra_claim. An epoch of its own, since the one before may
-- have ended already. What began again since has rightly fewer records. Lock order: executions by id, nothing else.
with locked as materialized (
    select e.id, k.record_count, k.epoch
    from unnest(%(ids)s, %(record_counts)s, %(epochs)s) as k (id, record_count, epoch)
    join hydra_execution as e on e.id = any(array[k.id])
    where e.namespace = %(namespace)s
        and e.status in ('pending', 'sleeping', 'waiting')
    order by e.id
    for update of e
), parked as (
    update hydra_execution as e
    set status = 'parked',
        wake_at = null,
        epoch = e.epoch + 1,
        claimed_at = %(now)s
    from locked
    where e.id = any(array[locked.id])
        and (select coalesce(max(r.seq), 0) from hydra_record as r
            where r.execution_id = locked.id) < locked.record_count
        and not exists (
            select 1
            from hydra_claim as c
            where c.execution_id = any(array[locked.id])
                and c.epoch >= locked.epoch
                and c.ending = 'continued'
        )
    returning e.id, e.epoch, e.attempt
), claim as (
    insert into hydra_claim (execution_id, claimed_at, ended_at, node, epoch, attempt, ending, detail, payload)
    select p.id, %(now)s, %(now)s, %(node)s, p.epoch, p.attempt, 'parked', %(cause)s, %(reason)s
    from parked as p
)
select p.id::text
from parked as p
