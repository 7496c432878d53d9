-- Index: primary key of hydra_execution, from the newest end or the oldest: how far a number of rows reaches.
select id
from hydra_execution force index (primary)
where namespace = {namespace}
    and {conditions}
order by id {way}
limit {limit}
