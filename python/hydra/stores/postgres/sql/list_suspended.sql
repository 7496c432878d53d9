-- Index: hydra_execution_notable, from its newest end, and primary key of hydra_submission.
select e.id::text
from hydra_execution as e
join hydra_submission as s on s.execution_id = any(array[e.id])
where e.namespace = %(namespace)s
    and e.status = %(status)s
    and e.status in ('sleeping', 'waiting', 'parked')
    and (%(before)s::uuid is null or e.id < %(before)s)
    and (%(after)s::uuid is null or e.id > %(after)s)
    and (%(since)s::bigint is null or s.submitted_at >= %(since)s)
    and (%(until)s::bigint is null or s.submitted_at < %(until)s)
    and (%(workflow)s::text is null or e.workflow = %(workflow)s)
    and (%(key)s::text is null or s.key = %(key)s)
    and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
order by e.id desc
limit %(limit)s
