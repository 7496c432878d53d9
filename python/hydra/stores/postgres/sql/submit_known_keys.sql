-- Index: primary keys of hydra_key and hydra_submission. After the insert, so it sees whose key it is (R18).
select
    k.workflow,
    k.key,
    k.execution_id::text,
    k.digest,
    (select s.execution_id from hydra_submission as s where s.execution_id = k.execution_id) is null
from unnest(%(workflows)s, %(key_hashes)s) as i (workflow, key_hash)
cross join lateral (
    select k.*
    from hydra_key as k
    where k.namespace = %(namespace)s
        and k.workflow = i.workflow
        and k.key_hash = i.key_hash
    offset 0
) as k
