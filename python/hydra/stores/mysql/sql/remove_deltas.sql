-- Index: primary key of hydra_delta, locked by lock_deltas.
delete t from hydra_delta as t force index (primary)
where id in ({ids})
