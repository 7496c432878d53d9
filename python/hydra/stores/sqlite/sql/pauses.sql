-- Index: primary key of hydra_pause, which is small.
select kind, name, paused_at, paused_by, reason
from hydra_pause
where namespace = :namespace
order by kind, name
