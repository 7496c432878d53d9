-- Index: primary key of hydra_act. A line that is there stays. In the order of the ids.
insert into hydra_act (execution_id, id, done_at, namespace, kind, done_by, done_from, reason, detail)
select i.execution_id, i.id, i.done_at, %(namespace)s, i.kind, i.done_by, i.done_from, i.reason, i.detail
from unnest(
    %(execution_ids)s, %(ids)s, %(done_at)s, %(kinds)s, %(done_by)s, %(done_from)s, %(reasons)s, %(details)s
) as i (execution_id, id, done_at, kind, done_by, done_from, reason, detail)
order by i.execution_id, i.id
on conflict (execution_id, id) do nothing
