-- Index: hydra_execution_owner, as many rows as run, and primary key of hydra_submission.
with running as materialized (
    select e.id, e.workflow
    from hydra_execution as e
    where e.status = 'running'
        and e.namespace = %(namespace)s
)
select r.id::text
from running as r
join hydra_submission as s on s.execution_id = any(array[r.id])
where (%(before)s::uuid is null or r.id < %(before)s)
    and (%(after)s::uuid is null or r.id > %(after)s)
    and (%(since)s::bigint is null or s.submitted_at >= %(since)s)
    and (%(until)s::bigint is null or s.submitted_at < %(until)s)
    and (%(workflow)s::text is null or r.workflow = %(workflow)s)
    and (%(key)s::text is null or s.key = %(key)s)
    and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
order by r.id desc
limit %(limit)s
