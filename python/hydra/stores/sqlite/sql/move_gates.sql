-- Index: primary key of hydra_execution. Waits at another key.
update hydra_execution
set gate = moved.value ->> 1
from json_each(:moved) as moved
where hydra_execution.id = moved.value ->> 0
    and +status = 'pending'
    and +wake_at = 9223372036854775807
