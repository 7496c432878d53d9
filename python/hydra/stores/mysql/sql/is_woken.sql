-- Index: primary key of hydra_execution. A condition, not a statement: this node runs it, and it was told something
-- since.
exists (
    select 1
    from hydra_execution as e
    where e.id = {id}
        and e.owner = {node}
        and e.status = 'running'
        and e.wake_seq > {number}
)
