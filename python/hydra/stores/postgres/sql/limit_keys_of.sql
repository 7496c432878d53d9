-- Index: primary key of hydra_submission.
select s.execution_id::text, s.limit_keys::text
from hydra_submission as s
where s.execution_id = any(%(ids)s)
    and s.limit_keys is not null
