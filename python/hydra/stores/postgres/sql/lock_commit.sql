-- Index: primary key of hydra_execution. Before messages are looked for that waits which are over waited for: whoever
-- puts one has the row first, or comes after this commit. Lock order: the node's row, then executions in the order of
-- their ids.
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s
        and n.namespace = %(namespace)s
        and n.state = 'alive'
    for share
)
select e.id::text, e.epoch
from hydra_execution as e
where e.id = any(%(ids)s)
    and e.owner = (select fence.id from fence)
order by e.id
for update of e
