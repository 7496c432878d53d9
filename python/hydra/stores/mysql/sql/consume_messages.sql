-- Index: primary keys of hydra_execution and hydra_message; the executions are locked by commit_read.
delete m
from hydra_execution as e force index (primary)
straight_join hydra_message as m force index (primary) on m.execution_id = e.id
where e.id in ({ids})
    and e.namespace = {namespace}
    and m.id in ({messages})
