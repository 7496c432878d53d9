-- Index: primary key of hydra_approval, which is small: who asks for one more counts them before.
select
    id, kind, state, what, payload, asked_at, asked_by, asked_from, reason, expires_at, decided_at,
    decided_by, decided_from, decided_reason
from hydra_approval
where namespace = {namespace}
order by id desc
