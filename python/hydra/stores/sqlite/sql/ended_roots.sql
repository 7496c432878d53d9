-- Index: primary keys of hydra_execution and hydra_descendant, hydra_descendant_root. Roots whose whole tree has ended
-- (R26). One whose root is gone is a root itself.
select json_group_array(r.id)
from json_each(:ids) as i
cross join hydra_execution as r on r.id = i.value
where r.namespace = :namespace
    and r.finished_at is not null
    and not exists (
        select 1
        from hydra_descendant as d
        cross join hydra_execution as root on root.id = d.root_id
        where d.execution_id = r.id
    )
    and not exists (
        select 1
        from hydra_descendant as d indexed by hydra_descendant_root
        cross join hydra_execution as e on e.id = d.execution_id
        where d.root_id = r.id
            and e.finished_at is null
    )
