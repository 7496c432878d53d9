-- Index: the first entries of one workflow's range of hydra_ready's primary key. Skips what another claim or a
-- canceller holds, so nobody waits here and the order of locks cannot cross.
select negated_priority, run_at, id
from hydra_ready force index (primary)
where namespace = {namespace}
    and workflow = {workflow}
    and {bounds}
    and not exists (
        select 1
        from hydra_pause as p force index (primary)
        where p.namespace = {namespace}
            and (p.kind = 'namespace' or p.kind = 'workflow' and p.name = {workflow})
    )
order by negated_priority, run_at, id
limit {slots}
for update skip locked  -- guard R14: claims skip ready rows that are locked
