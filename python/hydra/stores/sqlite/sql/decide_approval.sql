-- Index: primary key of hydra_approval. Of two who decide the first one has.
update hydra_approval
set state = :state,
    decided_at = :decided_at,
    decided_by = :decided_by,
    decided_from = :decided_from,
    decided_reason = :decided_reason
where namespace = :namespace
    and id = :id
    and state = 'open'
    and expires_at > :decided_at
