-- Index: primary key of hydra_count; at most :limit entries of hydra_execution_ready each.
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
)
from hydra_count as w
where w.namespace = :namespace
    and w.status = 'pending'
    and w.count > 0
