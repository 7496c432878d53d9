-- Index: primary keys of hydra_execution and hydra_descendant, hydra_descendant_root.
select
    e.workflow,
    e.status,
    (
        select d.root_id
        from hydra_descendant as d
        cross join hydra_execution as root on root.id = d.root_id
        where d.execution_id = e.id
    ),
    (
        select m.id
        from hydra_descendant as d indexed by hydra_descendant_root
        cross join hydra_execution as m on m.id = d.execution_id
        where d.root_id = e.id
            and m.finished_at is null
        limit 1
    )
from hydra_execution as e
where e.id = :id
    and e.namespace = :namespace
