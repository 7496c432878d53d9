-- Index: primary key of hydra_execution; no indexed column changes. A `+` keeps it off the owner's index.
with row (id, epoch, owner, record_count, death_count, alone_death_count) as (
    values (?, ?, ?, ?, ?, ?)
)
update hydra_execution
set record_count = row.record_count,
    death_count = row.death_count,
    alone_death_count = row.alone_death_count
from row
where hydra_execution.id = row.id
    and hydra_execution.epoch = row.epoch
    and +hydra_execution.owner = row.owner
    and +hydra_execution.status = 'running'
