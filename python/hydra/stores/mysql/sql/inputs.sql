-- Index: primary key of hydra_execution.
select id, input
from hydra_execution force index (primary)
where id in ({ids})
    and namespace = {namespace}
