-- Scans hydra_execution with hydra_claim in primary key order. One line for each ended epoch, none for one that goes
-- on.
select 'G4', e.id, concat('epoch is ', e.epoch, if(e.status = 'running', ' (held)', ''), ', the audit trail has ',
    count(c.epoch), ' claims up to number ', coalesce(max(c.epoch), 0))
from hydra_execution as e
left join hydra_claim as c on c.execution_id = e.id
where e.namespace = {namespace}
group by e.id, e.epoch, e.status
having count(c.epoch) <> e.epoch - (e.status = 'running')
    or coalesce(max(c.epoch), 0) <> e.epoch - (e.status = 'running')
