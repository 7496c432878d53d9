-- Index: primary key of hydra_execution.
update hydra_execution
set status = 'parked',
    wake_at = null,
    epoch = epoch + 1,
    claimed_at = :now,
    cause = :cause
from json_each(:known) as k
where hydra_execution.id = json_extract(k.value, '$[0]')
    and record_count < json_extract(k.value, '$[1]')
    and namespace = :namespace
    and status in ('pending', 'sleeping', 'waiting')
returning hydra_execution.id
