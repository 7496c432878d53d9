-- Index: hydra_gate_call_namespace, its first entries; none for what is taken away, which is locked and never changes
-- its place: another index, such as that of keys, would be free to be read from end to end. What another node takes at
-- this moment is left to it. One look at a key answers all of these calls that came for it.
with first as materialized (
    select f.ctid, f.id, f.limit_key
    from hydra_gate_call as f
    where f.namespace = %(namespace)s
    order by f.id
    limit %(calls)s
    for update skip locked
), chosen as materialized (
    select first.limit_key
    from first
    group by first.limit_key
    order by min(first.id)
    limit %(limit)s
)
delete from hydra_gate_call as c
where c.ctid = any(array(
    select first.ctid
    from first
    where (first.limit_key in (select chosen.limit_key from chosen)) is true  -- as a join all would be compared
))
returning c.limit_key
