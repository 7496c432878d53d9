-- Index: hydra_execution_ready, its first entry. Whether a claim may find something; the newest due row tells one batch from the next.
select (
    select e.id::text
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.status = 'pending'
        and e.wake_at is null
    order by e.workflow, -e.priority::bigint, e.run_at, e.id
    limit 1
)
