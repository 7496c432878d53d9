-- Scans hydra_child; primary keys of the others. An adopted one is told of with the next heartbeat. A
-- child that was made is of its parent's tree, which is purged as one.
select 'R14', c.parent_id::text, format('its child `%%s` has ended and it was not told', c.child_id)
from hydra_child as c
join hydra_submission as s on s.execution_id = c.parent_id and s.namespace = %(namespace)s
where c.child_id = c.request_id
    and not exists (select 1 from hydra_execution as e where e.id = c.child_id and e.is_child)
union all
select 'R26', c.parent_id::text, format('its child `%%s` is not of its tree', c.child_id)
from hydra_child as c
join hydra_submission as s on s.execution_id = c.parent_id and s.namespace = %(namespace)s
left join hydra_descendant as p on p.execution_id = c.parent_id
where c.child_id = c.request_id
    and not exists (
        select 1
        from hydra_descendant as d
        where d.execution_id = c.child_id and d.root_id = coalesce(p.root_id, c.parent_id)
    )
