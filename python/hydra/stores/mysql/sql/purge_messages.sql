-- Index: primary key of hydra_message.
delete t from hydra_message as t force index (primary)
where execution_id in ({ids})
