-- Index: hydra_limit_key's by_look. Locks nothing: the keys are locked next, in their order.
select limit_key
from hydra_limit_key force index (by_look)
where namespace = {namespace}
    and look_at > 0
    and look_at <= {now}
order by look_at
limit {limit}
