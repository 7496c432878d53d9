-- Index: hydra_gate_call_key, one entry of each of the next keys and the first calls of each;
-- hydra_gate_call_namespace, its last entries; none for what is taken away, see take_gate_calls. What another node
-- takes at this moment is left to it. Beside each the last of the keys whose turn it was, if there may be more.
with recursive turn (limit_key, place) as (
    select (
        select k.limit_key
        from hydra_gate_call as k
        where k.namespace = %(namespace)s
            and k.limit_key > %(after)s
        order by k.limit_key
        limit 1
    ), 1
    union all
    select (
        select k.limit_key
        from hydra_gate_call as k
        where k.namespace = %(namespace)s
            and k.limit_key > t.limit_key
        order by k.limit_key
        limit 1
    ), t.place + 1
    from turn as t
    where t.limit_key is not null
        and t.place < %(keys)s
), by_turn as materialized (
    select f.ctid
    from turn as t
    cross join lateral (
        select c.ctid
        from hydra_gate_call as c
        where c.namespace = %(namespace)s
            and c.limit_key = t.limit_key
        order by c.id
        limit %(calls)s
        for update skip locked
    ) as f
), newest as materialized (
    select c.ctid
    from hydra_gate_call as c
    where c.namespace = %(namespace)s
    order by c.id desc
    limit %(newest)s
    for update skip locked
)
delete from hydra_gate_call as c
where c.ctid = any(array(
    select by_turn.ctid
    from by_turn
    union
    select newest.ctid
    from newest
))
returning c.limit_key, (select t.limit_key from turn as t where t.place = %(keys)s)
