-- Index: primary key of hydra_pause.
delete from hydra_pause
where namespace = %(namespace)s
    and kind = %(kind)s
    and name = %(name)s
