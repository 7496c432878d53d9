-- Index: primary keys of hydra_limit and hydra_limit_key. All null: the code's numbers hold again.
with changed as (
    update hydra_limit as l
    set set_count = (%(count)s)[1],
        set_per_us = (%(per_us)s)[1],
        set_burst = (%(burst)s)[1]
    where l.namespace = %(namespace)s
        and l.kind = %(kind)s
        and l.name = %(name)s
    returning l.name
), called as (
    insert into hydra_gate_call (namespace, limit_key)
    select k.namespace, k.limit_key
    from changed
    join hydra_limit_key as k
        on k.namespace = %(namespace)s
        and k.limit_key >= %(first)s
        and k.limit_key < %(last)s
)
select changed.name
from changed
