-- Index: hydra_gate_call_key, one entry of each of the next keys and the first calls of each;
-- hydra_gate_call_namespace, its last entries. A call may be there twice.
with recursive turn (limit_key, place) as (
    select (
        select min(limit_key)
        from hydra_gate_call indexed by hydra_gate_call_key
        where namespace = :namespace
            and limit_key > :after
    ), 1
    union all
    select (
        select min(limit_key)
        from hydra_gate_call indexed by hydra_gate_call_key
        where namespace = :namespace
            and limit_key > turn.limit_key
    ), place + 1
    from turn
    where limit_key is not null
        and place < :keys
)
select limit_key, place, (
    select json_group_array(id)
    from (
        select id
        from hydra_gate_call indexed by hydra_gate_call_key
        where namespace = :namespace
            and limit_key = turn.limit_key
        order by id
        limit :calls
    )
)
from turn
where limit_key is not null
union all
select limit_key, 0, json_array(id)
from (
    select limit_key, id
    from hydra_gate_call indexed by hydra_gate_call_namespace
    where namespace = :namespace
    order by id desc
    limit :newest
)
