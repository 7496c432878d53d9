-- Index: hydra_node_present, hydra_execution_owner, primary key of hydra_record. A later transaction than the one that
-- marked the node dead (R8), and conditional on the owner being dead, so whoever sees a dead node may run it, as often
-- as they like. Waits for nobody: rows locked elsewhere come next time. A time-out that was decided stays so, whatever
-- the clock says next: the next claim ends it.
with lost as materialized (
    select e.id, e.owner, e.epoch
    from (
        select n.id
        from hydra_node as n
        where n.namespace = %(namespace)s
            and n.state = 'dead'  -- guard R8: only a dead node's executions are returned
            and not n.id = any(%(sparing)s)
        offset 0
    ) as n
    cross join lateral (
        select e.id, e.owner, e.epoch
        from hydra_execution as e
        where e.owner = n.id
            and e.status = 'running'
        order by e.claimed_at
        limit %(limit)s
        for update skip locked
    ) as e
    limit %(limit)s
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
