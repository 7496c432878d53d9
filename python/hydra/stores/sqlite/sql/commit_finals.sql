-- Index: primary key of hydra_execution. The common end, which touches no column but these: the fewer indexes, the
-- quicker.
update hydra_execution
set status = row.column4,
    owner = null,
    record_count = row.column5,
    attention = row.column6,
    cause = row.column7,
    cause_seq = row.column8,
    finished_at = row.column9
from (values (?, ?, ?, ?, ?, ?, ?, ?, ?)) as row
where hydra_execution.id = row.column1
    and hydra_execution.epoch = row.column2
    and +hydra_execution.owner = row.column3
    and +hydra_execution.status = 'running'
