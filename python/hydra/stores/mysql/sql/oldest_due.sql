-- Index: the first entry of one workflow and of the priorities past one, in hydra_ready's primary key. Asked for one
-- after the other: a `group by` reads the whole queue.
select negated_priority, run_at
from hydra_ready force index (primary)
where namespace = {namespace}
    and workflow = {workflow}
    and negated_priority > {after}
order by negated_priority, run_at, id
limit 1
