-- Index: primary keys of hydra_node and hydra_schedule. For an open transaction: the fence's lock is held to its end
-- (R6), and so are the rows', which everybody locks in the order of their names and before keys and executions. The
-- revision is the one the decision was made on, read again under the lock; the mark only grows (R25).
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), locked as materialized (
    {locked_schedules}
    where exists (select 1 from fence)
), changed as (
    {changed_schedules}
)
select changed.name
from fence
left join changed on true
