-- Index: hydra_execution's by_time; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_execution force index (by_time)
    where namespace = {namespace}
        and submitted_at >= {since}
        and submitted_at < {until}
    limit {limit}
) as found
