-- Index: primary keys of hydra_key, hydra_execution and hydra_former_key. After add_former_keys; what was purged had
-- ended, too.
delete from hydra_key
where (namespace, workflow, key) in (
    select k.namespace, k.workflow, k.key
    from json_each(:rows) as r
    cross join hydra_key as k
        on k.namespace = :namespace
        and k.workflow = r.value ->> 0
        and k.key = r.value ->> 1
    where not exists (select 1 from hydra_execution as own where own.id = r.value ->> 2)
        and (
            exists (select 1 from hydra_former_key as f where f.execution_id = k.execution_id)
            or (
                coalesce(k.created_at <= r.value ->> 3, true)
                and not exists (select 1 from hydra_execution as e where e.id = k.execution_id)
            )
        )
)
