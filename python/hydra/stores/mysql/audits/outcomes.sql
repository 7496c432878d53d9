-- Scans hydra_execution; primary key of hydra_claim. A result or failure is where the last claim ended with it.
select 'G1', e.id, concat('it is `', e.status, '` but its claim ', e.epoch, ' ended ',
    coalesce(concat('`', c.ending, '`'), 'nowhere'))
from hydra_execution as e
left join hydra_claim as c on c.execution_id = e.id and c.epoch = e.epoch
where e.namespace = {namespace}
    and (
        (e.status = 'completed' and coalesce(c.ending, '') <> 'completed')
        or (e.status = 'failed' and e.cause <> 'timeout' and coalesce(c.ending, '') <> 'failed')
        or (e.status = 'parked' and coalesce(c.ending, '') <> 'parked')
    )
