-- Index: primary key of hydra_child. Who asked for what has ended here: each is told of it once. How it ended comes
-- along, so that no link is held against each of `ended` again.
delete from hydra_child as c
using ended
where ended.is_child
    and c.child_id = any(array[ended.id])
returning c.child_id, c.request_id, c.parent_id, {status} as status, {cause} as cause, {payload} as payload
