-- Index: hydra_limit_key_look. Locks nothing: the keys are locked next, in their order.
select k.limit_key
from hydra_limit_key as k
where k.namespace = %(namespace)s
    and k.look_at <= %(now)s
order by k.look_at
limit %(limit)s
