-- Index: primary key of hydra_key.
select execution_id::text
from hydra_key
where namespace = %(namespace)s
    and workflow = %(workflow)s
    and key_hash = %(key_hash)s
