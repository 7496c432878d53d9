-- Index: primary key of hydra_descendant. Locks nothing: which tree an execution is part of never changes.
select execution_id, root_id
from hydra_descendant
where execution_id in ({ids})
