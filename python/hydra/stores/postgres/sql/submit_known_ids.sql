-- Index: primary key of hydra_submission.
select s.execution_id::text, s.digest, s.namespace, s.workflow, s.key
from hydra_submission as s
where s.execution_id = any(%(ids)s)
