-- Scans hydra_child; primary keys of hydra_execution and hydra_submission. An adopted one is told of with the next
-- heartbeat.
select 'R14', c.parent_id::text, format('its child `%%s` has ended and it was not told', c.child_id)
from hydra_child as c
join hydra_submission as s on s.execution_id = c.parent_id and s.namespace = %(namespace)s
where c.child_id = c.request_id
    and not exists (select 1 from hydra_execution as e where e.id = c.child_id and e.is_child)
