-- Index: hydra_act_done, from its newest end.
select a.execution_id::text, a.id::text, a.kind, a.done_at, a.done_by, a.reason, a.detail, a.done_from
from hydra_act as a
where a.namespace = %(namespace)s
    and a.done_at >= %(since)s
    and a.done_at < %(until)s
    and (%(kind)s::text is null or a.kind = %(kind)s::text)
    and (%(by)s::text is null or strpos(a.done_by, %(by)s::text) > 0)
order by a.done_at desc, a.execution_id desc, a.id desc
limit %(limit)s
