-- Index: hydra_execution_ready and hydra_gate_call_namespace, the first entry of each. Whether a claim or a look at a
-- limit may find something; the newest due row tells one batch from the next.
select concat((
    select e.id::text
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.status = 'pending'
        and e.wake_at is null
    order by e.workflow, -e.priority::bigint, e.run_at, e.id
    limit 1
), (
    select c.id
    from hydra_gate_call as c
    where c.namespace = %(namespace)s
    order by c.id
    limit 1
))
