-- Index: primary key of hydra_child. The children have ended, so nobody else writes these.
delete c from hydra_child as c force index (primary)
where child_id in ({ids})
