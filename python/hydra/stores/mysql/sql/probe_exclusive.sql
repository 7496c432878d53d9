-- Index: primary key of hydra_probe. The lock the reaper takes; it must not be had.
select id
from hydra_probe force index (primary)
where id = {id}
for update skip locked
