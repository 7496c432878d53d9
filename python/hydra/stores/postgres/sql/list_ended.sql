-- Index: primary key of hydra_outcome from its newest end (completed), hydra_outcome_notable (failed, cancelled);
-- hydra_submission's.
select o.execution_id::text
from hydra_outcome as o
join hydra_submission as s on s.execution_id = o.execution_id
where o.namespace = %(namespace)s
    and o.status = %(status)s
    and (%(before)s::uuid is null or o.execution_id < %(before)s)
    and (%(after)s::uuid is null or o.execution_id > %(after)s)
    and (%(since)s::bigint is null or s.submitted_at >= %(since)s)
    and (%(until)s::bigint is null or s.submitted_at < %(until)s)
    and (%(workflow)s::text is null or o.workflow = %(workflow)s)
    and (%(key)s::text is null or s.key = %(key)s)
    and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
order by o.execution_id desc
limit %(limit)s
