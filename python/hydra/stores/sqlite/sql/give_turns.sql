-- Index: primary key of hydra_execution. Ordered by its turn from now on; its own priority and instant are kept.
update hydra_execution
set own_priority = coalesce(own_priority, priority),
    own_run_at = coalesce(own_run_at, run_at),
    priority = 0,
    run_at = turn.value ->> 1
from json_each(:turns) as turn
where hydra_execution.id = turn.value ->> 0
    and +status = 'pending'
    and +wake_at = 9223372036854775807
