-- Index: primary key of hydra_progress.
delete t from hydra_progress as t force index (primary)
where execution_id in ({ids})
