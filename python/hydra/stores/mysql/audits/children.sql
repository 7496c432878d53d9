-- Scans hydra_child; primary key of hydra_execution.
select 'R14', c.parent_id, concat('its child `', lower(hex(c.child_id)), '` ',
    coalesce(concat('is `', e.status, '`'), 'is gone'), ' and it was not told')
from hydra_child as c
left join hydra_execution as e on e.id = c.child_id
where (e.id is null or e.finished_at <> 0 or e.is_child = 0)
    and (e.id is null or e.namespace = {namespace})
