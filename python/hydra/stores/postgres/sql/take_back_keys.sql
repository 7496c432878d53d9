-- Index: primary keys of hydra_key and hydra_submission. Keys that lead to executions which were made under another, or
-- none: an insert took them which did not see the submission of the same id that was committed meanwhile.
delete from hydra_key as k
using unnest(%(workflows)s, %(key_hashes)s, %(ids)s) as i (workflow, key_hash, id)
where k.namespace = %(namespace)s
    and k.workflow = i.workflow
    and k.key_hash = i.key_hash
    and k.execution_id = i.id
    and (select s.key from hydra_submission as s where s.execution_id = i.id) is distinct from k.key
