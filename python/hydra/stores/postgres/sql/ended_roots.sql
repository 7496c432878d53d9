-- Index: primary keys of hydra_outcome, hydra_descendant, hydra_submission and hydra_execution, hydra_descendant_root.
-- Roots whose whole tree has ended (R26). One whose root is gone is a root itself.
select o.execution_id::text
from hydra_outcome as o
where o.execution_id = any(%(ids)s)
    and o.namespace = %(namespace)s
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_submission as s on s.execution_id = any(array[d.root_id])
        where d.execution_id = any(array[o.execution_id])
    )
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_execution as e on e.id = any(array[d.execution_id])
        where d.root_id = any(array[o.execution_id])
    )
