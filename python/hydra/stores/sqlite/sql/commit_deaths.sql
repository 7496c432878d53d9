-- Index: primary key of hydra_execution; no indexed column changes. A `+` keeps it off the owner's index.
update hydra_execution
set death_count = row.column4,
    alone_death_count = row.column5
from (values (?, ?, ?, ?, ?)) as row
where hydra_execution.id = row.column1
    and hydra_execution.epoch = row.column2
    and +hydra_execution.owner = row.column3
    and +hydra_execution.status = 'running'
