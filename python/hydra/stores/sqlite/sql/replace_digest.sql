-- Index: primary key of hydra_key. Its key leads to the digest of the arguments that it will begin with.
update hydra_key
set digest = :digest
where namespace = :namespace
    and workflow = :workflow
    and key = :key
    and execution_id = :id
