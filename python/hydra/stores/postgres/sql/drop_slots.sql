-- Index: hydra_slot_execution, or the primary key of hydra_slot, once for each that is dropped: a join would be free to
-- compare each with all slots of the namespace, which it is while few are known to be there. What somebody else is just
-- taking away is left to them.
delete from hydra_slot as s
where s.ctid = any(array(
    select d.ctid
    from unnest(%(keys)s, %(ids)s) as i (limit_key, id)
    cross join lateral (
        select d.ctid
        from hydra_slot as d
        where d.namespace = %(namespace)s
            and d.limit_key = i.limit_key
            and d.execution_id = i.id
        for update skip locked
    ) as d
))
