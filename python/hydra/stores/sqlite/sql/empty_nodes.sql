-- Index: hydra_node is small; hydra_execution_owner. Runs before a batch is returned, so it never trusts its own return
-- (R8).
update hydra_node
set state = 'empty'
where namespace = :namespace
    and state = 'dead'
    -- guard R8: a node that still owns something is not empty
    and not exists (select 1 from hydra_execution as e where e.owner = hydra_node.id)
