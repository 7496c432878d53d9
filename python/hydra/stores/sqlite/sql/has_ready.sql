-- Index: hydra_execution_ready and hydra_gate_call_namespace, one entry of each.
select exists (
    select 1
    from hydra_execution indexed by hydra_execution_ready
    where namespace = :namespace
        and status = 'pending'
        and wake_at is null
)
or exists (
    select 1
    from hydra_gate_call indexed by hydra_gate_call_namespace
    where namespace = :namespace
)
