-- Index: primary keys of hydra_schedule and hydra_node_schedule; hydra_node is small.
select s.name, s.spec, s.revision, s.mark_at, s.next_at, s.paused_at, s.progress, exists (
    select 1
    from hydra_node as n
    cross join hydra_node_schedule as ns on ns.node_id = n.id and ns.name = s.name
    where n.namespace = s.namespace
        and n.state = 'alive'
)
from hydra_schedule as s
where s.namespace = :namespace
order by s.name
