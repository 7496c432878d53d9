-- Index: primary keys of hydra_schedule and hydra_node_schedule, by_state of hydra_node.
select s.name, s.spec, s.revision, s.mark_at, s.next_at, s.paused_at, s.progress, exists (
    select 1
    from hydra_node as n
    join hydra_node_schedule as ns on ns.node_id = n.id
    where ns.name = s.name -- MySQL before 8.0.24 knows `s` here, but not in the join's own condition
        and n.namespace = s.namespace
        and n.state = 'alive'
)
from hydra_schedule as s
where s.namespace = {namespace}
order by s.name
