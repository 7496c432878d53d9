-- Index: primary keys of hydra_key, hydra_submission, hydra_execution and hydra_act. Who has a key, and what has the
-- id of the submission that asks, and whether it may have got other arguments since.
select
    k.execution_id,
    s.submitted_at,
    own.workflow,
    own_submission.key,
    own_submission.digest,
    exists (
        select 1
        from hydra_act as a
        where a.execution_id = own.id
            and a.kind in ('debounce', 'reschedule')
    )
from hydra_key as k
left join hydra_submission as s on s.execution_id = k.execution_id
left join hydra_execution as own
    on own.id = :id
    and own.namespace = :namespace
left join hydra_submission as own_submission on own_submission.execution_id = own.id
where k.namespace = :namespace
    and k.workflow = :workflow
    and k.key = :key
