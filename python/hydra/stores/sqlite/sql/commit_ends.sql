-- Index: primary key of hydra_execution; a `+` keeps the planner from walking the owner's index instead.
with row (
    id, epoch, owner, record_count, death_count, alone_death_count, next_status, next_owner, next_epoch, attempt, run_at,
    wake_at, attention, finished_at, cause, cause_seq, claimed_at
) as (
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
)
update hydra_execution
set record_count = row.record_count,
    death_count = row.death_count,
    alone_death_count = row.alone_death_count,
    status = row.next_status,
    owner = row.next_owner,
    epoch = row.next_epoch,
    attempt = row.attempt,
    run_at = coalesce(row.run_at, hydra_execution.run_at),
    wake_at = row.wake_at,
    attention = row.attention,
    finished_at = row.finished_at,
    cause = row.cause,
    cause_seq = row.cause_seq,
    claimed_at = row.claimed_at
from row
where hydra_execution.id = row.id
    and hydra_execution.epoch = row.epoch
    and +hydra_execution.owner = row.owner
    and +hydra_execution.status = 'running'
