-- Index: primary key of hydra_timer, its first entries. Only says where to look: the executions are locked and read
-- next.
select due_at, id
from hydra_timer
where namespace = {namespace}
    and due_at <= {now}
order by due_at, id
limit {limit}
