-- Index: primary key of hydra_key, locked by lock_keys. Its key leads to the digest of the arguments that it will begin
-- with.
update hydra_key as k
set digest = %(digest)s
where k.namespace = %(namespace)s
    and k.workflow = %(workflow)s
    and k.key_hash = %(key_hash)s
    and k.execution_id = %(id)s
