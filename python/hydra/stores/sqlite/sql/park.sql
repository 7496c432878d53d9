-- Index: primary keys of hydra_execution and hydra_claim. What began again since has rightly fewer records.
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
    and not exists (
        select 1
        from hydra_claim as c
        where c.execution_id = hydra_execution.id
            and c.epoch >= json_extract(k.value, '$[2]')
            and c.ending = 'continued'
    )
returning hydra_execution.id
