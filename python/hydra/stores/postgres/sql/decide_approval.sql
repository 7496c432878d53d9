-- Index: primary key of hydra_approval. Of two who decide the first one has.
update hydra_approval
set state = %(state)s,
    decided_at = %(decided_at)s,
    decided_by = %(decided_by)s,
    decided_from = %(decided_from)s,
    decided_reason = %(decided_reason)s
where namespace = %(namespace)s
    and id = %(id)s
    and state = 'open'
    and expires_at > %(decided_at)s
