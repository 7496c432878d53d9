-- Index: primary keys of hydra_key and hydra_submission. Who has a key, which is locked: keys before executions. And
-- what has the id of the submission that asks.
select
    k.execution_id::text,
    (select s.submitted_at from hydra_submission as s where s.execution_id = k.execution_id),
    own.workflow,
    own.key
from hydra_key as k
left join hydra_submission as own
    on own.execution_id = %(id)s
    and own.namespace = %(namespace)s
where k.namespace = %(namespace)s
    and k.workflow = %(workflow)s
    and k.key_hash = %(key_hash)s
for update of k
