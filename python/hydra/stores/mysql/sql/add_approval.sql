-- Index: primary key of hydra_approval. One that is there stays: it is the same.
insert into hydra_approval (
    namespace,
    id, kind, state, what, payload, asked_at, asked_by, asked_from, reason, expires_at, decided_at,
    decided_by, decided_from, decided_reason
)
values {row}
on duplicate key update asked_at = hydra_approval.asked_at
