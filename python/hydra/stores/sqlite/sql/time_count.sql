-- Index: hydra_submission_time, of all namespaces; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_submission indexed by hydra_submission_time
    where submitted_at >= :since
        and submitted_at < :until
    limit :limit
)
