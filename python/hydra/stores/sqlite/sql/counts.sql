-- Index: primary key of hydra_count.
select workflow, status, count
from hydra_count
where namespace = :namespace
    and count > 0
