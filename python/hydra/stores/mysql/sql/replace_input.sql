-- Index: primary key of hydra_execution, locked by lock_executions. It has never begun.
update hydra_execution force index (primary)
set digest = {digest},
    input = {input},
    tags = {tags},
    gate = {gate},
    first_gate = {first_gate},
    limit_keys = {limit_keys}
where id = {id}
