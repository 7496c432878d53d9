-- Index: primary key of hydra_child; what is there already stays as it is (R18).
insert into hydra_child (child_id, request_id, parent_id, is_late)
select i.child_id, i.request_id, i.parent_id, %(is_late)s = 1
from unnest(%(ids)s, %(request_ids)s, %(parent_ids)s) as i (child_id, request_id, parent_id)
on conflict (child_id, request_id) do nothing
