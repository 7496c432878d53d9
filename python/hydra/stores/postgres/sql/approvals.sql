-- Index: primary key of hydra_approval, which is small: who asks for one more counts them before.
select
    id::text, kind, state, what, payload, asked_at, asked_by, asked_from, reason, expires_at, decided_at,
    decided_by, decided_from, decided_reason
from hydra_approval
where namespace = %(namespace)s
order by hydra_approval.id desc
