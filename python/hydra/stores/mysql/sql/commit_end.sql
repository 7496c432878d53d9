-- Index: primary key of hydra_execution; the row is locked by `commit_read`.
update hydra_execution force index (primary)
set status = {status},
    owner = {owner},
    epoch = {epoch},
    attempt = {attempt},
    record_count = {record_count},
    run_at = {run_at},
    wake_at = {wake_at},
    claimed_at = {claimed_at},
    finished_at = {finished_at},
    attention = {attention},
    death_count = {death_count},
    alone_death_count = {alone_death_count},
    cause = {cause},
    cause_seq = {cause_seq}
where id = {id}
    and owner = {node}
    and status = 'running'
