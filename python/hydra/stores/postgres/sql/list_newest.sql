-- Index: primary key of hydra_submission, from its newest end.
select s.execution_id::text
from hydra_submission as s
where s.namespace = %(namespace)s
    and (%(before)s::uuid is null or s.execution_id < %(before)s)
    and (%(after)s::uuid is null or s.execution_id > %(after)s)
    and (%(since)s::bigint is null or s.submitted_at >= %(since)s)
    and (%(until)s::bigint is null or s.submitted_at < %(until)s)
    and (%(workflow)s::text is null or s.workflow = %(workflow)s)
    and (%(key)s::text is null or s.key = %(key)s)
    and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
order by s.execution_id desc
limit %(limit)s
