-- Index: hydra_child_parent. Own children only, and theirs: what was adopted is somebody else's.
with recursive descendant (id) as (
    select value from json_each(:ids)
    union
    select c.child_id
    from descendant
    cross join hydra_child as c on c.parent_id = descendant.id and c.child_id = c.request_id
)
select json_group_array(id) from descendant
