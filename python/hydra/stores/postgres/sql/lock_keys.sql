-- Index: primary key of hydra_key, in its order: keys before executions. Of many who want a key to go over, one has it.
select k.key_hash
from unnest(%(workflows)s, %(key_hashes)s) as i (workflow, key_hash)
join hydra_key as k
    on k.namespace = %(namespace)s
    and k.workflow = i.workflow
    and k.key_hash = i.key_hash
order by k.workflow, k.key_hash
for update of k
