-- Index: primary key of hydra_key_pause, once for each. Those that are over. What somebody else is just changing is
-- left to them.
delete from hydra_key_pause as p
where p.ctid = any(array(
    select d.ctid
    from unnest(%(keys)s) as i (limit_key)
    cross join lateral (
        select d.ctid
        from hydra_key_pause as d
        where d.namespace = %(namespace)s
            and d.limit_key = i.limit_key
            and d.until_at <= %(now)s
        for update skip locked
    ) as d
))
