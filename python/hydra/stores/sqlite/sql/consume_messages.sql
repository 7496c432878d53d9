-- Index: primary key of hydra_message.
delete from hydra_message
where (execution_id, id) in (select value ->> 0, value ->> 1 from json_each(:rows))
