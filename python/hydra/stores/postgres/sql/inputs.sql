-- Index: primary key of hydra_submission.
select s.execution_id::text, s.input
from hydra_submission as s
where s.execution_id = any(%(ids)s)
    and s.namespace = %(namespace)s
