-- Index: primary key of hydra_finished, its first entries; primary keys and hydra_descendant's by_root. Roots whose
-- whole tree has ended (R26). One whose root is gone is a root itself. Only says where to look: the executions are
-- locked and read next.
select f.finished_at, f.id
from hydra_finished as f force index (primary)
where f.namespace = {namespace}
    and f.finished_at < {older_than}  -- guard R26: only what ended before is purged
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_execution as root on root.id = d.root_id
        where d.execution_id = f.id  -- guard R26: an open root protects its tree
    )
    and not exists (
        select 1
        from hydra_descendant as d
        join hydra_execution as e on e.id = d.execution_id
        where d.root_id = f.id
            and e.finished_at = 0
    )
order by f.finished_at, f.id
limit {limit}
