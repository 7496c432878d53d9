-- Index: hydra_outcome_finished, the ranges of blocks that were written before then; primary key and index of
-- hydra_descendant. Roots whose whole tree has ended (R26). One whose root is gone is a root itself. Only says where to
-- look.
select o.execution_id::text
from hydra_outcome as o
where o.namespace = %(namespace)s
    and o.finished_at < %(older_than)s  -- guard R26: only what ended before is purged
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_submission as s on s.execution_id = any(array[d.root_id])
        where d.execution_id = any(array[o.execution_id])  -- guard R26: an open root protects its tree
    )
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_execution as e on e.id = any(array[d.execution_id])
        where d.root_id = any(array[o.execution_id])
    )
limit %(limit)s
