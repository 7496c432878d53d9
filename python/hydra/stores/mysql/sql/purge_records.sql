-- Index: primary key of hydra_record.
delete from hydra_record
where execution_id in ({ids})
