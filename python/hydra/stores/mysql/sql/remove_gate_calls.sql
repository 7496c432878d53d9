-- Index: primary key of hydra_gate_call, locked by gate_calls; its rows lead to themselves (see remove_deltas).
delete t
from hydra_gate_call as c force index (primary)
straight_join hydra_gate_call as t force index (primary) on t.id = c.id
where c.id in ({ids})
    and c.namespace = {namespace}
