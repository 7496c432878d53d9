-- Index: hydra_execution_running_timeout.
update hydra_execution
set attention = 'timeout'
where id in (
        select id
        from hydra_execution indexed by hydra_execution_running_timeout
        where namespace = :namespace
            and timeout_at <= :now
            and timeout_at is not null
            and status = 'running'
            and attention is null
        order by timeout_at
        limit :limit
    )
    and status = 'running'
