-- Index: primary key of hydra_key. A later statement than the insert, so it sees whose key it is (R18).
select k.workflow, k.key, k.execution_id::text, k.digest
from unnest(%(workflows)s, %(keys)s) as i (workflow, key)
cross join lateral (
    select k.*
    from hydra_key as k
    where k.namespace = %(namespace)s
        and k.workflow = i.workflow
        and k.key = i.key
    offset 0
) as k
where i.key is not null
