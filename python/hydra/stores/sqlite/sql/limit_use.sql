-- Index: primary keys of hydra_slot and hydra_limit_key, the keys of one limit; hydra_execution_gated, one entry for
-- each key at which somebody waits, which may be one that nobody has looked at yet; at most :most of each to count.
with recursive waited (limit_key, place) as (
    select min(e.gate), 1
    from hydra_execution as e indexed by hydra_execution_gated
    where e.namespace = :namespace
        and e.gate >= :first
        and e.gate < :last
        and e.gate is not null
        and e.status = 'pending'
        and e.wake_at = 9223372036854775807
    union all
    select
        (
            select min(e.gate)
            from hydra_execution as e indexed by hydra_execution_gated
            where e.namespace = :namespace
                and e.gate > w.limit_key
                and e.gate < :last
                and e.gate is not null
                and e.status = 'pending'
                and e.wake_at = 9223372036854775807
        ),
        w.place + 1
    from waited as w
    where w.limit_key is not null
        and w.place < :limit
),
looked_at as (
    select l.limit_key, l.look_at
    from hydra_limit_key as l
    where l.namespace = :namespace
        and l.limit_key >= :first
        and l.limit_key < :last
    order by l.limit_key
    limit :limit
),
known as (
    select limit_key, look_at
    from looked_at
    union all
    select w.limit_key, null
    from waited as w
    where w.limit_key is not null
        and not exists (
            select 1
            from hydra_limit_key as l
            where l.namespace = :namespace
                and l.limit_key = w.limit_key
        )
)
select known.limit_key,
    (
        select count(*)
        from hydra_slot as s
        join hydra_execution as e on e.id = s.execution_id
        where s.namespace = :namespace
            and s.limit_key = known.limit_key
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
            where e.namespace = :namespace
                and e.gate = known.limit_key
                and e.gate is not null
                and e.status = 'pending'
                and e.wake_at = 9223372036854775807
            limit :most
        )
    ),
    known.look_at
from known
order by known.limit_key
limit :limit
