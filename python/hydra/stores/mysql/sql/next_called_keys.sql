-- Index: hydra_gate_call's by_key, one entry of each key (a loose scan). Locks nothing.
select limit_key
from hydra_gate_call force index (by_key)
where namespace = {namespace}
    and limit_key > {after}
group by limit_key
order by limit_key
limit {keys}
