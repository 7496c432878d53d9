-- Index: primary key of hydra_probe. The lock the fence takes.
select id
from hydra_probe force index (primary)
where id = {id}
lock in share mode
