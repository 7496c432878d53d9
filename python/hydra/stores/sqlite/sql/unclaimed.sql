-- Index: primary key of hydra_count, hydra_node_workflow; at most :limit entries of hydra_execution_ready each.
select w.workflow, (
    select count(*)
    from (
        select 1
        from hydra_execution indexed by hydra_execution_ready
        where namespace = :namespace
            and workflow = w.workflow
            and status = 'pending'
            and wake_at is null
        limit :limit
    )
) as due_count
from hydra_count as w
where w.namespace = :namespace
    and w.status = 'pending'
    and w.count > 0
    and not exists (
        select 1
        from hydra_node as n
        join hydra_node_workflow as nw on nw.node_id = n.id and nw.workflow = w.workflow
        where n.namespace = :namespace
            and n.state = 'alive'
    )
    and due_count > 0
