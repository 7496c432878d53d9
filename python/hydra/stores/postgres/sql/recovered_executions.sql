-- Index: primary keys. What this node owns as the claim gave it; the fence was taken by the resync before (R16).
select
    e.id::text, e.epoch, e.workflow, s.key, s.input, e.attempt, e.priority, e.run_at, e.claimed_at, s.submitted_at,
    e.timeout_at, e.wake_seq, e.attention, e.death_count, e.alone_death_count, s.tags::text
from (
    select n.id
    from hydra_node as n
    where n.id = %(node)s
        and n.session = %(session)s  -- guard R16: the fence compares the session
        and n.namespace = %(namespace)s
        and n.state = 'alive'  -- guard R6: the fence asks whether the node is alive
    for share  -- guard R6: a share lock on the node's row
) as fence
left join hydra_execution as e on e.id = any(%(ids)s) and e.owner = fence.id
left join hydra_submission as s on s.execution_id = any(array[e.id])
