-- Index: the first entries of one workflow's range of hydra_ready's primary key. Skips what another claim or a
-- canceller holds, so nobody waits here and the order of locks cannot cross.
select negated_priority, run_at, id
from hydra_ready force index (primary)
where namespace = {namespace}
    and workflow = {workflow}
    and {bounds}
order by negated_priority, run_at, id
limit {slots}
for update skip locked
