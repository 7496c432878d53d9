-- Index: primary key of hydra_delta. Skips what another node folds.
select id, workflow, status, total
from hydra_delta force index (primary)
where id in ({ids})
for update skip locked
