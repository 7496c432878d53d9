-- Index: primary key of hydra_child. Who asked for what has ended here: each is told of it once.
delete from hydra_child as c
using ended
where ended.is_child
    and c.child_id = any(array[ended.id])
returning c.child_id, c.request_id, c.parent_id
