-- Index: the first entry of hydra_execution_timer, _idle_timeout and _running_timeout each.
select min(due_at)
from (
    select min(wake_at) as due_at
    from hydra_execution indexed by hydra_execution_timer
    where namespace = :namespace
        and wake_at is not null
        and wake_at < 9223372036854775807  -- what a limit holds back is no timer
    union all
    select min(timeout_at)
    from hydra_execution indexed by hydra_execution_idle_timeout
    where namespace = :namespace
        and timeout_at is not null
        and attention is null
        and (status = 'pending' or status = 'sleeping' or status = 'waiting')
    union all
    select min(timeout_at)
    from hydra_execution indexed by hydra_execution_running_timeout
    where namespace = :namespace
        and timeout_at is not null
        and status = 'running'
        and attention is null
)
