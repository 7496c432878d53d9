-- Scans hydra_execution; primary keys of hydra_key and hydra_former_key. A key leads to the one execution that has it.
select 'R24', e.id, concat('its key `', e.idempotency_key, '` ', case
    when k.idempotency_key is null then 'is not in the table of keys'
    when k.execution_id <> e.id then concat('leads to execution `', lower(hex(k.execution_id)), '`')
    else 'has the digest of another input'
end)
from hydra_execution as e
left join hydra_former_key as f on f.execution_id = e.id
left join hydra_key as k
    on k.key_hash = unhex(sha2(concat(e.namespace, x'00', e.workflow, x'00', e.idempotency_key), 256))
where e.namespace = {namespace}
    and e.idempotency_key is not null
    and f.execution_id is null
    and (
        k.idempotency_key is null
        or k.namespace <> e.namespace
        or k.workflow <> e.workflow
        or k.idempotency_key <> e.idempotency_key
        or k.execution_id <> e.id
        or k.digest <> e.digest
    )
