-- Index: primary key of hydra_submission. A later statement than the mark, so it sees what was replaced before it.
select s.execution_id::text, s.input, s.tags::text
from hydra_submission as s
where s.execution_id = any(%(ids)s)
