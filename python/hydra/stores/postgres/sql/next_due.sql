-- Index: the first entries of hydra_execution_timer and hydra_execution_timeout.
select least(
    (
        select e.wake_at
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.wake_at is not null
            and e.wake_at < 9223372036854775807  -- what a limit holds back is no timer
        order by e.wake_at
        limit 1
    ),
    (
        select e.timeout_at
        from hydra_execution as e
        where e.namespace = %(namespace)s
            and e.timeout_at is not null
            and e.attention is null
            and e.status <> 'parked'
        order by e.timeout_at
        limit 1
    )
)
