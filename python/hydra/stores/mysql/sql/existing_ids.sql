-- Index: primary key of hydra_execution. After submit_known_keys, whose lock keeps the keys as they are.
select id
from hydra_execution force index (primary)
where id in ({ids})
