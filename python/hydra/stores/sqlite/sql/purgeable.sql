-- Index: hydra_execution_finished, oldest first; primary key and index of hydra_descendant. Roots whose whole tree has
-- ended (R26). One whose root is gone is a root itself.
select json_group_array(json_array(id, workflow, status))
from (
    select r.id, r.workflow, r.status
    from hydra_execution as r indexed by hydra_execution_finished
    where r.namespace = :namespace
        and r.finished_at < :older_than  -- guard R26: only what ended before is purged
        and r.finished_at is not null
        and not exists (
            select 1
            from hydra_descendant as d
            cross join hydra_execution as root on root.id = d.root_id
            where d.execution_id = r.id  -- guard R26: an open root protects its tree
        )
        and not exists (
            select 1
            from hydra_descendant as d indexed by hydra_descendant_root
            cross join hydra_execution as e on e.id = d.execution_id
            where d.root_id = r.id
                and e.finished_at is null
        )
    order by r.finished_at
    limit :limit
)
