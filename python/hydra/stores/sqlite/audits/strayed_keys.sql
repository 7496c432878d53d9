-- Scans hydra_key; primary keys of hydra_execution and hydra_submission. The execution may be purged, not another's.
select 'R24', k.execution_id, 'the key `' || k.key || '` of `' || k.workflow || '` leads to it, its own key is '
    || coalesce('`' || s.key || '`', 'none')
from hydra_key as k
join hydra_execution as e on e.id = k.execution_id
join hydra_submission as s on s.execution_id = e.id
where k.namespace = :namespace
    and (e.namespace <> k.namespace or e.workflow <> k.workflow or s.key is not k.key)
