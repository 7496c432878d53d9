-- Index: primary keys of hydra_message and hydra_submission. What a purged child said stays: nobody can say it again.
delete from hydra_message as m
using unnest(%(parent_ids)s, %(request_ids)s, %(ids)s) as i (parent_id, request_id, child_id)
join hydra_submission as s on s.execution_id = i.child_id
where m.execution_id = i.parent_id
    and m.id = i.request_id
