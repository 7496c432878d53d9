-- Index: primary key of hydra_limit_key.
update hydra_limit_key
set due_at = clock.value ->> 1,
    look_at = clock.value ->> 2
from json_each(:clocks) as clock
where namespace = :namespace
    and limit_key = clock.value ->> 0
