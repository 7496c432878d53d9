-- Index: hydra_child's by_parent. Locks nothing: only a child's end takes one of these away, and does no harm before.
select child_id, request_id
from hydra_child force index (by_parent)
where parent_id in ({ids})
