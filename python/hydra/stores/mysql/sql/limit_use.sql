-- Index: primary keys of hydra_slot, hydra_limit_key and hydra_gated, the keys of one limit; one entry for each key at
-- which somebody waits, which may be one that nobody has looked at yet, and all of its queue to count.
with recursive waited (limit_key, place) as (
    select min(q.limit_key), 1
    from hydra_gated as q force index (primary)
    where q.namespace = {namespace}
        and q.limit_key >= {first}
        and q.limit_key < {last}
    union all
    select
        (
            select min(q.limit_key)
            from hydra_gated as q force index (primary)
            where q.namespace = {namespace}
                and q.limit_key > w.limit_key
                and q.limit_key < {last}
        ),
        w.place + 1
    from waited as w
    where w.limit_key is not null
        and w.place < {limit}
),
looked_at as (
    select l.limit_key, l.look_at
    from hydra_limit_key as l force index (primary)
    where l.namespace = {namespace}
        and l.limit_key >= {first}
        and l.limit_key < {last}
    order by l.limit_key
    limit {limit}
),
known as (
    select l.limit_key, l.look_at
    from looked_at as l
    union all
    select w.limit_key, 0
    from waited as w
    where w.limit_key is not null
        and not exists (
            select 1
            from hydra_limit_key as l force index (primary)
            where l.namespace = {namespace}
                and l.limit_key = w.limit_key
        )
)
select
    k.limit_key,
    (
        select count(*)
        from hydra_slot as s force index (primary)
        join hydra_execution as e force index (primary) on e.id = s.execution_id
        where s.namespace = {namespace}
            and s.limit_key = k.limit_key
            and (
                (e.status = 'running' and s.limit_key not like 'by_turns:%')
                or (e.status = 'pending' and e.wake_at = 0)
                or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
            )
    ),
    (
        select count(*)
        from hydra_gated as q force index (primary)
        where q.namespace = {namespace}
            and q.limit_key = k.limit_key
    ),
    k.look_at
from known as k
order by k.limit_key
limit {limit}
