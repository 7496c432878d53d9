-- Index: primary key of hydra_execution. Whoever is ending one of them has it locked, and is waited for.
with locked as materialized (
    select e.id
    from hydra_execution as e
    where e.id = any(%(ids)s)
    order by e.id
    for update
)
update hydra_execution as e
set is_child = true
from locked
where e.id = any(array[locked.id])
