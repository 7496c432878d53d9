-- Index: hydra_attribute's by_value, from the newest end of one value or the oldest: how far a number of rows reaches.
select execution_id
from hydra_attribute force index (by_value)
where namespace = {namespace}
    and name = {name}
    and value = {value}
    and {conditions}
order by execution_id {way}
limit {limit}
