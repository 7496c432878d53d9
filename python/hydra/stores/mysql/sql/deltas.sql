-- Index: hydra_delta is small. Only says where to look: the rows are locked and read next.
select id
from hydra_delta
where namespace = {namespace}
limit {limit}
