-- Index: primary key of hydra_execution; the row is locked by `commit_read`. No indexed column changes.
update hydra_execution force index (primary)
set record_count = {record_count},
    death_count = {death_count},
    alone_death_count = {alone_death_count}
where id = {id}
    and owner = {node}
    and status = 'running'
