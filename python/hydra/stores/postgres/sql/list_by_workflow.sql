-- Index: hydra_submission_workflow, from the newest end of one workflow; primary keys for the status.
select s.execution_id::text
from hydra_submission as s
where s.namespace = %(namespace)s
    and s.workflow = %(workflow)s
    and (%(before)s::uuid is null or s.execution_id < %(before)s)
    and (%(after)s::uuid is null or s.execution_id > %(after)s)
    and (%(since)s::bigint is null or s.submitted_at >= %(since)s)
    and (%(until)s::bigint is null or s.submitted_at < %(until)s)
    and (%(key)s::text is null or s.key = %(key)s)
    and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
    and (
        %(status)s::text is null
        or coalesce(
            (select e.status from hydra_execution as e where e.id = s.execution_id),
            (select o.status from hydra_outcome as o where o.execution_id = s.execution_id)
        ) = %(status)s
    )
order by s.execution_id desc
limit %(limit)s
