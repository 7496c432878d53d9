-- Index: primary keys of hydra_execution and hydra_record; no indexed column changes. Before the statement that takes
-- the item's records, and on the same condition.
with fence as materialized (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
), counted as (
    update hydra_execution as e
    set death_count = coalesce(i.death_count, e.death_count),
        alone_death_count = coalesce(i.alone_death_count, e.alone_death_count)
    from fence
    cross join unnest(%(ids)s, %(epochs)s, %(befores)s, %(death_counts)s, %(alone_death_counts)s)
        as i (id, epoch, before, death_count, alone_death_count)
    where e.id = any(array[i.id])
        and e.epoch = i.epoch  -- guard R10: a commit compares the epoch
        and e.owner = fence.id  -- guard R10: a commit compares the owner
        and (i.before is null or i.before = (select coalesce(max(r.seq), 0) from hydra_record as r
            where r.execution_id = i.id))
    returning e.id, e.attention = 'cancel' as is_cancelled
)
select counted.id::text, counted.is_cancelled
from fence
left join counted on true
