-- Index: primary key of hydra_key_pause.
delete from hydra_key_pause
where namespace = :namespace
    and limit_key = :key
