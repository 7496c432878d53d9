-- Index: primary keys of hydra_execution, from its newest end, and of hydra_submission. The `case` hides the columns
-- from the planner: without statistics it takes rows of one status for few, and would sort all of them for each page.
select e.id::text
from hydra_execution as e
join hydra_submission as s on s.execution_id = any(array[e.id])
where case when e.namespace = %(namespace)s and e.status = 'pending' then true else false end
    and (%(before)s::uuid is null or e.id < %(before)s)
    and (%(after)s::uuid is null or e.id > %(after)s)
    and (%(since)s::bigint is null or s.submitted_at >= %(since)s)
    and (%(until)s::bigint is null or s.submitted_at < %(until)s)
    and (%(workflow)s::text is null or e.workflow = %(workflow)s)
    and (%(key)s::text is null or s.key = %(key)s)
    and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
order by e.id desc
limit %(limit)s
