-- Index: primary key of hydra_payload_key, which is small.
select number, key_id, wrapped, added_at
from hydra_payload_key
where namespace = :namespace
order by number
