-- Index: primary key of hydra_act. Ids grow with time.
select a.execution_id::text, a.id::text, a.kind, a.done_at, a.done_by, a.reason, a.detail, a.done_from
from hydra_act as a
where a.execution_id = %(id)s
    and a.namespace = %(namespace)s
order by a.id
