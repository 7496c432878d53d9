-- Index: hydra_submission_time; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_submission as s
    where s.namespace = %(namespace)s
        and s.submitted_at >= %(since)s
        and s.submitted_at < %(until)s
    limit %(limit)s
) as found
