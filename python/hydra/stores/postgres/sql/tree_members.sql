-- Index: hydra_descendant_root. No more of them than may go.
select d.root_id::text, d.execution_id::text
from hydra_descendant as d
where d.root_id = any(%(roots)s)
limit %(limit)s
