-- Index: none is read.
insert into hydra_gate_call (namespace, limit_key)
select :namespace, value
from json_each(:keys)
