-- Index: primary key of hydra_execution; no indexed column changes. A `+` keeps it off the owner's index.
update hydra_execution
set record_count = r.value ->> 2,
    death_count = r.value ->> 3,
    alone_death_count = r.value ->> 4
from json_each(:rows) as r
where hydra_execution.id = r.value ->> 0
    and hydra_execution.epoch = r.value ->> 1
    and +hydra_execution.owner = :node
    and +hydra_execution.status = 'running'
