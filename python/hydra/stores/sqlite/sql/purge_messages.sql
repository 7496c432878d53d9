-- Index: primary key of hydra_message.
delete from hydra_message
where execution_id in (select value from json_each(:ids))
