-- Scans hydra_submission; primary keys of hydra_key and hydra_former_key. A key leads to the one execution that has it.
select 'R24', e.id, 'its key `' || s.key || '` ' || case
    when k.key is null then 'is not in the table of keys'
    when k.execution_id <> e.id then 'leads to execution `' || k.execution_id || '`'
    else 'has the digest of another input'
end
from hydra_submission as s
join hydra_execution as e on e.id = s.execution_id
left join hydra_former_key as f on f.execution_id = e.id
left join hydra_key as k on k.namespace = e.namespace and k.workflow = e.workflow and k.key = s.key
where e.namespace = :namespace
    and s.key is not null
    and f.execution_id is null
    and (k.key is null or k.execution_id <> e.id or k.digest <> s.digest)
