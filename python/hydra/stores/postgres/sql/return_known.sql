-- Index: primary keys of hydra_execution, hydra_node and hydra_record. As return_executions, of these only, which are
-- then parked where they went back (R19). Lock order: executions by id.
with lost as materialized (
    select e.id, e.owner, e.epoch
    from unnest(%(ids)s) as k (id)
    join hydra_execution as e on e.id = any(array[k.id])
    where e.namespace = %(namespace)s
        and e.status = 'running'
        and exists (
            select 1
            from hydra_node as n
            where n.id = any(array[e.owner])
                and n.state = 'dead'
        )
    order by e.id
    for update of e
), returned as (
    update hydra_execution as e
    set status = 'pending',
        owner = null,
        run_at = %(now)s,
        record_count = (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id)
    from lost
    where e.id = any(array[lost.id])
    returning e.id, e.claimed_at, e.attempt, lost.owner, lost.epoch
)
insert into hydra_claim (execution_id, claimed_at, ended_at, node, epoch, attempt, ending, detail)
select r.id, r.claimed_at, %(now)s, r.owner, r.epoch, r.attempt, 'lost', ''
from returned as r
