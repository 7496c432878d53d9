-- Index: primary key of hydra_execution; a `+` keeps the planner from walking the owner's index instead.
update hydra_execution
set record_count = r.value ->> 2,
    death_count = r.value ->> 3,
    alone_death_count = r.value ->> 4,
    status = r.value ->> 5,
    owner = case when r.value ->> 5 = 'running' then :node end,
    epoch = r.value ->> 6,
    attempt = r.value ->> 7,
    run_at = coalesce(r.value ->> 8, hydra_execution.run_at),
    wake_at = r.value ->> 9,
    attention = r.value ->> 10,
    finished_at = r.value ->> 11,
    cause = r.value ->> 12,
    cause_seq = r.value ->> 13,
    claimed_at = r.value ->> 14
from json_each(:rows) as r
where hydra_execution.id = r.value ->> 0
    and hydra_execution.epoch = r.value ->> 1
    and +hydra_execution.owner = :node
    and +hydra_execution.status = 'running'
