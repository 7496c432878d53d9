-- Index: primary keys of hydra_execution and hydra_message; the executions are locked by `commit_read`, and lead to
-- their rows. What children and callbacks said that no body will ask for any more.
delete t
from hydra_execution as e force index (primary)
straight_join hydra_message as t force index (primary) on t.execution_id = e.id
where e.id in ({ids})
    and e.namespace = {namespace}
    and (t.name like 'hydra.child:%' or t.name like 'hydra.spawned:%' or t.name like 'hydra.callback:%')
