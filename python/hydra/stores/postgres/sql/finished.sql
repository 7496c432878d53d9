-- Index: hydra_outcome_finished, the ranges of blocks that were written between these instants. What is found is
-- sorted, so the caller asks for a span that holds few.
select o.execution_id::text, o.workflow, o.status, o.finished_at
from hydra_outcome as o
where o.namespace = %(namespace)s
    and o.finished_at >= %(after_at)s
    and o.finished_at < %(until)s
    and (o.finished_at, o.execution_id::text) > (%(after_at)s, %(after_id)s)
order by o.finished_at, o.execution_id::text
limit %(limit)s
