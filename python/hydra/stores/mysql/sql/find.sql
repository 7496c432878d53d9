-- Index: primary key of hydra_key.
select execution_id
from hydra_key
where namespace = {namespace}
    and workflow = {workflow}
    and key_hash = {key_hash}
