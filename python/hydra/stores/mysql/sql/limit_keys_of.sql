-- Index: primary key of hydra_execution, whose rows are locked.
select id, limit_keys
from hydra_execution force index (primary)
where id in ({ids})
    and limit_keys is not null
