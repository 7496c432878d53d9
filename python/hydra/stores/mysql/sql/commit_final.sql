-- Index: primary key of hydra_execution; the rows are locked by `commit_read`. Many executions that end alike.
update hydra_execution force index (primary)
set status = {status},
    owner = {no_node},
    record_count = record_count + {added},
    wake_at = 0,
    attention = if(attention = 'timeout', '', attention),
    finished_at = {now},
    cause = '',
    cause_seq = 0
where id in ({ids})
    and owner = {node}
    and status = 'running'
