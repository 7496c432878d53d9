-- Index: primary key of hydra_slot. What somebody else is just taking away is left to them.
select limit_key, execution_id
from hydra_slot force index (primary)
where namespace = {namespace}
    and (limit_key, execution_id) in ({pairs})
for update skip locked
