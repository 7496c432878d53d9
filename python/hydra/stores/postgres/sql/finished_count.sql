-- Index: hydra_outcome_finished, as of `finished`. Counted no further than the limit.
select count(*)
from (
    select 1
    from hydra_outcome as o
    where o.namespace = %(namespace)s
        and o.finished_at >= %(after_at)s
        and o.finished_at < %(until)s
    limit %(limit)s
) as found
