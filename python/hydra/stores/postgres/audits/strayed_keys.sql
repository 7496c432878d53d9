-- Scans hydra_key; primary key of hydra_submission. The execution may be purged, not another's.
select
    'R24',
    k.execution_id::text,
    format('the key `%%s` of `%%s` leads to it, its own key is %%s', k.key, k.workflow,
        coalesce('`' || s.key || '`', 'none'))
from hydra_key as k
join hydra_submission as s on s.execution_id = k.execution_id
where k.namespace = %(namespace)s
    and (s.namespace <> k.namespace or s.workflow <> k.workflow or s.key is distinct from k.key)
