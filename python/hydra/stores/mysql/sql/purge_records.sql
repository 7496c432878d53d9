-- Index: primary key of hydra_record.
delete t from hydra_record as t force index (primary)
where execution_id in ({ids})
