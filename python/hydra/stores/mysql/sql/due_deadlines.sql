-- Index: primary key of hydra_deadline, its first entries. Only says where to look: the executions are locked and read
-- next.
select timeout_at, id
from hydra_deadline
where namespace = {namespace}
    and timeout_at <= {now}
order by timeout_at, id
limit {limit}
