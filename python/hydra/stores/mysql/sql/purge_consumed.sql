-- Index: primary key of hydra_consumed.
delete t from hydra_consumed as t force index (primary)
where execution_id in ({ids})
