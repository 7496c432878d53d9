-- Scans hydra_submission; primary keys of hydra_key and hydra_former_key. A key leads to the one execution that has it.
select
    'R24',
    s.execution_id::text,
    format('its key `%%s` ', s.key) || case
        when k.key is null then 'is not in the table of keys'
        when k.execution_id <> s.execution_id then format('leads to execution `%%s`', k.execution_id)
        else 'has the digest of another input'
    end
from hydra_submission as s
left join hydra_former_key as f on f.execution_id = s.execution_id
left join hydra_key as k
    on k.namespace = s.namespace
    and k.workflow = s.workflow
    and k.key_hash = sha256(convert_to(s.key, 'UTF8'))
    and k.key = s.key
where s.namespace = %(namespace)s
    and s.key is not null
    and f.execution_id is null
    and (k.key is null or k.execution_id <> s.execution_id or k.digest <> s.digest)
