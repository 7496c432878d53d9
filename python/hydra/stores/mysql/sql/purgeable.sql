-- Index: primary key of hydra_finished, its first entries. Only says where to look: the executions are locked and read next.
select finished_at, id
from hydra_finished
where namespace = {namespace}
    and finished_at < {older_than}
order by finished_at, id
limit {limit}
