-- Index: primary key of hydra_weight.
select w.limit_key, w.weight, w.set_weight
from json_each(:keys) as k
cross join hydra_weight as w on w.namespace = :namespace and w.limit_key = k.value
