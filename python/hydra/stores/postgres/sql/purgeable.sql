-- Index: hydra_outcome_finished, the ranges of blocks that were written before then.
select o.execution_id::text
from hydra_outcome as o
where o.namespace = %(namespace)s
    and o.finished_at < %(older_than)s
limit %(limit)s
