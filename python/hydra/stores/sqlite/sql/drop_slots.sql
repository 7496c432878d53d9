-- Index: primary key of hydra_slot.
delete from hydra_slot
where namespace = :namespace
    and (limit_key, execution_id) in (select value ->> 0, value ->> 1 from json_each(:rows))
