-- Index: primary key of hydra_execution; the rows are locked by `commit_read`. No indexed column changes.
-- Many executions that recorded equally much.
update hydra_execution force index (primary)
set record_count = record_count + {added}
where id in ({ids})
    and owner = {node}
    and status = 'running'
