-- Index: hydra_submission_time; what lies between is sorted by id, so it must be little; else the planner
-- would walk all in the order of ids. Primary keys for the status.
with found as materialized (
    select s.execution_id
    from hydra_submission as s
    where s.namespace = %(namespace)s
        and s.submitted_at >= coalesce(%(since)s, 0)
        and s.submitted_at < coalesce(%(until)s, 9223372036854775807)
        and (%(before)s::uuid is null or s.execution_id < %(before)s)
        and (%(after)s::uuid is null or s.execution_id > %(after)s)
        and (%(workflow)s::text is null or s.workflow = %(workflow)s)
        and (%(key)s::text is null or s.key = %(key)s)
        and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
        and (
            %(status)s::text is null
            or coalesce(
                (select e.status from hydra_execution as e where e.id = s.execution_id),
                (select o.status from hydra_outcome as o where o.execution_id = s.execution_id)
            ) = %(status)s
        )
)
select f.execution_id::text
from found as f
order by f.execution_id desc
limit %(limit)s
