-- Index: by_time of hydra_act, from its newest end.
select execution_id, id, kind, done_at, done_by, reason, detail, done_from
from hydra_act force index (by_time)
where namespace = {namespace}
    and done_at >= {since}
    and done_at < {until}
    and ({kind} is null or kind = {kind})
    and ({by} is null or locate({by}, done_by) > 0)
order by done_at desc, execution_id desc, id desc
limit {limit}
