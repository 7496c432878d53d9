-- Index: primary key of hydra_approval, which is small, the rule first, then newest first.
select
    id::text, kind, state, what, payload, asked_at, asked_by, asked_from, reason, expires_at, decided_at,
    decided_by, decided_from, decided_reason
from hydra_approval
where namespace = %(namespace)s
order by expires_at = 4611686018427387904 desc, id desc
limit %(limit)s
