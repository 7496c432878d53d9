-- Index: primary key of hydra_key_pause. Those that are over. What somebody else is just changing is left to them.
delete from hydra_key_pause as p
using (
    select d.namespace, d.limit_key
    from hydra_key_pause as d
    where d.namespace = %(namespace)s
        and d.limit_key = any(%(keys)s)
        and d.until_at <= %(now)s
    for update of d skip locked
) as gone
where p.namespace = gone.namespace
    and p.limit_key = gone.limit_key
