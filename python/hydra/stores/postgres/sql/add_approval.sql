-- Index: primary key of hydra_approval. One that is there stays: it is the same.
insert into hydra_approval (
    namespace,
    id, kind, state, what, payload, asked_at, asked_by, asked_from, reason, expires_at, decided_at,
    decided_by, decided_from, decided_reason
)
values (
    %(namespace)s,
    %(id)s, %(kind)s, %(state)s, %(what)s, %(payload)s, %(asked_at)s, %(asked_by)s, %(asked_from)s,
    %(reason)s, %(expires_at)s, %(decided_at)s, %(decided_by)s, %(decided_from)s, %(decided_reason)s
)
on conflict (namespace, id) do nothing
