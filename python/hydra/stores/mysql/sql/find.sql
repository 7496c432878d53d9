-- Index: primary key of hydra_key.
select execution_id
from hydra_key
where key_hash = {key_hash}
