-- Index: primary key of hydra_key_pause. Those that are over.
delete from hydra_key_pause
where namespace = :namespace
    and limit_key in (select value from json_each(:keys))
    and until_at <= :now
