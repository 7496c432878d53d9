-- Index: primary keys of hydra_key, hydra_submission and hydra_act. Who has a key, which is locked: keys before
-- executions. And what has the id of the submission that asks, and whether it may have got other arguments since.
select
    k.execution_id::text,
    (select s.submitted_at from hydra_submission as s where s.execution_id = k.execution_id),
    own.workflow,
    own.key,
    own.digest,
    exists (
        select
        from hydra_act as a
        where a.execution_id = own.execution_id
            and a.kind in ('debounce', 'reschedule')
    )
from hydra_key as k
left join hydra_submission as own
    on own.execution_id = %(id)s
    and own.namespace = %(namespace)s
where k.namespace = %(namespace)s
    and k.workflow = %(workflow)s
    and k.key_hash = %(key_hash)s
for update of k
