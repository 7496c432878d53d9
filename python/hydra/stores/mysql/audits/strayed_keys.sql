-- Scans hydra_key; primary key of hydra_execution. The execution may be purged, not another's.
select 'R24', k.execution_id, concat('the key `', k.idempotency_key, '` of `', k.workflow,
    '` leads to it, its own key is ',
    coalesce(concat('`', e.idempotency_key, '`'), 'none'))
from hydra_key as k
join hydra_execution as e on e.id = k.execution_id
where k.namespace = {namespace}
    and (e.namespace <> k.namespace or e.workflow <> k.workflow or not (e.idempotency_key <=> k.idempotency_key))
