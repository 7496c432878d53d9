-- Index: primary key of hydra_payload_key. Of two that add a row of one number the first is kept, and both read it.
insert into hydra_payload_key (namespace, number, key_id, wrapped, added_at)
values ({namespace}, {values})
on duplicate key update added_at = hydra_payload_key.added_at
