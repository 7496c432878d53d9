-- Index: primary keys of hydra_key and hydra_submission. Who has a key, which is locked: keys before executions. And
-- whether the submission that asks was made before.
select
    k.execution_id::text,
    (select s.submitted_at from hydra_submission as s where s.execution_id = k.execution_id),
    (
        select own.execution_id
        from hydra_submission as own
        where own.execution_id = %(id)s
            and own.namespace = %(namespace)s
    ) is not null
from hydra_key as k
where k.namespace = %(namespace)s
    and k.workflow = %(workflow)s
    and k.key_hash = %(key_hash)s
for update of k
