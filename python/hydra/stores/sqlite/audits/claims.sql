-- Scans hydra_execution with hydra_claim in primary key order. One line for each ended epoch, none for one that goes
-- on.
select 'G4', e.id, 'epoch is ' || e.epoch || case when e.owner is null then '' else ' (held)' end
    || ', the audit trail has '
    || coalesce(c.count, 0) || ' claims up to number ' || coalesce(c.last, 0)
from hydra_execution as e
left join (
    select execution_id, count(*) as count, max(epoch) as last
    from hydra_claim
    group by execution_id
) as c on c.execution_id = e.id
where e.namespace = :namespace
    and (
        coalesce(c.count, 0) <> e.epoch - (e.owner is not null)
        or coalesce(c.last, 0) <> e.epoch - (e.owner is not null)
    )
