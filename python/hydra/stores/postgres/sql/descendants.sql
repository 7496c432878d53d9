-- Index: hydra_child_parent. Own children only, and theirs: what was adopted is somebody else's.
with recursive descendant (id) as (
    select unnest(%(ids)s)
    union
    select c.child_id
    from descendant as d
    join hydra_child as c on c.parent_id = any(array[d.id]) and c.child_id = c.request_id
)
select d.id::text
from descendant as d
