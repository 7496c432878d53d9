-- Index: primary key of hydra_child. As links_of_ended, of the requests that were looked for.
delete from hydra_child as c
using ended
where ended.is_child
    and c.child_id = any(array[ended.id])
    and c.request_id = ended.request_id
returning c.child_id, c.request_id, c.parent_id, ended.status, ended.cause, ended.payload
