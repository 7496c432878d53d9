-- Index: hydra_execution_gated, the first entries of each key and nothing else; primary key of hydra_submission.
select k.value, (
    select json_group_array(json_array(id, json(limit_keys)))
    from (
        select e.id, (
            select case when json_valid(s.limit_keys) then s.limit_keys end
            from hydra_submission as s
            where s.execution_id = e.id
        ) as limit_keys
        from hydra_execution as e indexed by hydra_execution_gated
        where e.namespace = :namespace
            and e.gate = k.value
            and e.gate is not null
            and e.status = 'pending'
            and e.wake_at = 9223372036854775807
        order by e.priority desc, e.run_at, e.id
        limit :limit
    )
)
from json_each(:keys) as k
