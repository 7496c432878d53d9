-- Index: primary keys of hydra_submission, hydra_execution, hydra_outcome and hydra_descendant, hydra_descendant_root.
select
    coalesce(e.status, o.status),
    (
        select d.root_id::text
        from hydra_descendant as d
        join hydra_submission as root on root.execution_id = any(array[d.root_id])
        where d.execution_id = s.execution_id
    ),
    (
        select m.id::text
        from hydra_descendant as d
        join hydra_execution as m on m.id = any(array[d.execution_id])
        where d.root_id = s.execution_id
        limit 1
    )
from hydra_submission as s
left join hydra_execution as e on e.id = any(array[s.execution_id])
left join hydra_outcome as o on o.execution_id = any(array[s.execution_id])
where s.execution_id = %(id)s
    and s.namespace = %(namespace)s
