-- Index: primary keys of hydra_slot and hydra_limit_key, the keys of one limit; hydra_execution_queue, one entry for
-- each key at which somebody waits, which may be one that nobody has looked at yet; at most so many of each to count.
with recursive waited (limit_key, place) as (
    select min(e.gate), 1
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.gate >= %(first)s
        and e.gate < %(last)s
        and e.gate is not null
        and e.status = 'pending'
        and coalesce(e.wake_at, 0) = 9223372036854775807
    union all
    select
        (
            select min(e.gate)
            from hydra_execution as e
            where e.namespace = %(namespace)s
                and e.gate > w.limit_key
                and e.gate < %(last)s
                and e.gate is not null
                and e.status = 'pending'
                and coalesce(e.wake_at, 0) = 9223372036854775807
        ),
        w.place + 1
    from waited as w
    where w.limit_key is not null
        and w.place < %(limit)s
),
looked_at as (
    select l.limit_key, l.look_at
    from hydra_limit_key as l
    where l.namespace = %(namespace)s
        and l.limit_key >= %(first)s
        and l.limit_key < %(last)s
    order by l.limit_key
    limit %(limit)s
),
known as (
    select l.limit_key, l.look_at
    from looked_at as l
    union all
    select w.limit_key, null
    from waited as w
    where w.limit_key is not null
        and not exists (
            select 1
            from hydra_limit_key as l
            where l.namespace = %(namespace)s
                and l.limit_key = w.limit_key
        )
)
select
    k.limit_key,
    (
        select count(*)
        from hydra_slot as s
        join hydra_execution as e on e.id = any(array[s.execution_id])
        where s.namespace = %(namespace)s
            and s.limit_key = k.limit_key
            and (
                (e.status = 'running' and s.limit_key not like 'by_turns:%%')
                or (e.status = 'pending' and e.wake_at is null)
                or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
            )
    ),
    (
        select count(*)
        from (
            select 1
            from hydra_execution as e
            where e.namespace = %(namespace)s
                and e.gate = k.limit_key
                and e.gate is not null
                and e.status = 'pending'
                and coalesce(e.wake_at, 0) = 9223372036854775807
            limit %(most)s
        ) as w
    ),
    k.look_at
from known as k
order by k.limit_key
limit %(limit)s
