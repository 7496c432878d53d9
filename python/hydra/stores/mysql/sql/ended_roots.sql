-- Index: primary keys of hydra_execution and hydra_descendant, hydra_descendant's by_root. Roots whose whole tree has
-- ended (R26). One whose root is gone is a root itself.
select r.id
from hydra_execution as r force index (primary)
where r.id in ({ids})
    and r.namespace = {namespace}
    and r.finished_at > 0
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_execution as root on root.id = d.root_id
        where d.execution_id = r.id
    )
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_execution as e on e.id = d.execution_id
        where d.root_id = r.id
            and e.finished_at = 0
    )
