-- Index: hydra_submission_workflow; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_submission as s
    where s.namespace = %(namespace)s
        and s.workflow = %(workflow)s
    limit %(limit)s
) as found
