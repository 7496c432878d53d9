-- Index: hydra_execution's by_time; what lies between is sorted by id, so it must be little.
select id
from hydra_execution force index (by_time)
where namespace = {namespace}
    and {conditions}
order by id {way}
limit {limit}
