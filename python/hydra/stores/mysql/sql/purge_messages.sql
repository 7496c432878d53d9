-- Index: primary key of hydra_message.
delete m from hydra_message as m force index (primary)
where execution_id in ({ids})
