-- Index: hydra_child's by_parent. Own children only: what was adopted is somebody else's.
select child_id
from hydra_child force index (by_parent)
where parent_id in ({ids})
    and child_id = request_id
