-- Index: primary key of hydra_pause.
delete from hydra_pause
where namespace = {namespace}
    and kind = {kind}
    and name = {paused}
