-- Index: primary key of hydra_execution; a `+` keeps the planner from walking the owner's index instead.
update hydra_execution
set record_count = row.column4,
    death_count = row.column5,
    alone_death_count = row.column6,
    status = row.column7,
    owner = row.column8,
    epoch = row.column9,
    attempt = row.column10,
    run_at = coalesce(row.column11, hydra_execution.run_at),
    wake_at = row.column12,
    attention = row.column13,
    finished_at = row.column14,
    cause = row.column15,
    cause_seq = row.column16,
    claimed_at = row.column17
from (values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) as row
where hydra_execution.id = row.column1
    and hydra_execution.epoch = row.column2
    and +hydra_execution.owner = row.column3
    and +hydra_execution.status = 'running'
