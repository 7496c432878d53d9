-- Index: primary keys of hydra_slot and hydra_limit_key, the keys of one limit; hydra_execution_gated, at most :most
-- entries of each key.
select k.limit_key,
    (
        select count(*)
        from hydra_slot as s
        join hydra_execution as e on e.id = s.execution_id
        where s.namespace = k.namespace
            and s.limit_key = k.limit_key
            and (
                (e.status = 'running' and s.limit_key not like 'by_turns:%')
                or (e.status = 'pending' and e.wake_at is null)
                or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
            )
    ),
    (
        select count(*)
        from (
            select 1
            from hydra_execution as e indexed by hydra_execution_gated
            where e.namespace = k.namespace
                and e.gate = k.limit_key
                and e.gate is not null
                and e.status = 'pending'
                and e.wake_at = 9223372036854775807
            limit :most
        )
    ),
    k.look_at
from hydra_limit_key as k
where k.namespace = :namespace
    and k.limit_key >= :first
    and k.limit_key < :last
order by k.limit_key
limit :limit
