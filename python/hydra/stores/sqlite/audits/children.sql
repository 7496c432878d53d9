-- Scans hydra_child; primary keys of hydra_execution and hydra_descendant. A child that was made is of its parent's
-- tree, which is purged as one.
select 'R14', c.parent_id, 'its child `' || c.child_id || '` ' || coalesce('is `' || e.status || '`', 'is gone')
    || ' and it was not told'
from hydra_child as c
left join hydra_execution as e on e.id = c.child_id
where (e.id is null or e.finished_at is not null or e.is_child = 0)
    and (e.id is null or e.namespace = :namespace)
union all
select 'R26', c.parent_id, 'its child `' || c.child_id || '` is not of its tree'
from hydra_child as c
join hydra_execution as e on e.id = c.child_id and e.namespace = :namespace
left join hydra_descendant as p on p.execution_id = c.parent_id
where c.child_id = c.request_id
    and not exists (
        select 1
        from hydra_descendant as d
        where d.execution_id = c.child_id and d.root_id = coalesce(p.root_id, c.parent_id)
    )
