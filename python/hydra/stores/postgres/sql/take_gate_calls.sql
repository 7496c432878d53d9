-- Index: hydra_gate_call_namespace, its first entries; primary key of hydra_gate_call. What another node takes at this
-- moment is left to it. One look at a key answers all of these calls that came for it.
with first as materialized (
    select f.id, f.limit_key
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
where c.id = any(array(
    select first.id
    from first
    join chosen on chosen.limit_key = first.limit_key
))
returning c.limit_key
