-- Index: the first entry of each workflow and priority in hydra_ready's primary key (a loose scan).
select min(run_at)
from hydra_ready
where namespace = {namespace}
group by workflow, negated_priority
