-- Index: hydra_execution_ready, one entry of it.
select exists (
    select 1
    from hydra_execution indexed by hydra_execution_ready
    where namespace = :namespace
        and status = 'pending'
        and wake_at is null
)
