-- Index: primary key of hydra_execution. May run; where it waits the next time is the first of its keys.
update hydra_execution
set wake_at = null,
    gate = moved.value ->> 1
from json_each(:moved) as moved
where hydra_execution.id = moved.value ->> 0
    and +status = 'pending'
    and wake_at = 9223372036854775807
