-- Index: hydra_execution_elders, the first entries of each key and nothing else; primary key of hydra_submission. Locks
-- those that nobody holds, and says which.
with waiting as materialized (
    select k.limit_key, k.place as key_place, w.place, w.id
    from unnest(%(keys)s, %(rooms)s) with ordinality as k (limit_key, room, place)
    cross join lateral (
        select e.id, row_number() over (order by e.run_at, e.id) as place
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.gate = k.limit_key
            and e.gate >= 'by_turns:'
            and e.gate < 'by_turns<'
            and e.status = 'pending'
            and coalesce(e.wake_at, 0) = 9223372036854775807
        order by e.run_at, e.id
        limit k.room
    ) as w
), locked as materialized (
    select e.id
    from hydra_execution as e
    where e.id = any(array(select waiting.id from waiting))
        and e.status = 'pending'
        and coalesce(e.wake_at, 0) = 9223372036854775807  -- so that no index of what waits serves it
    order by e.id
    for update skip locked
)
select w.limit_key, w.id::text, s.limit_keys::text, w.id in (select locked.id from locked)
from waiting as w
join hydra_submission as s on s.execution_id = any(array[w.id])
order by w.key_place, w.place
