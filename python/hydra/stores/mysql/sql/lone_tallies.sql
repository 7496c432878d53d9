-- Index: hydra_tally's primary key; small. Only says where to look: the rows are locked and read next.
select workflow, status, slot
from hydra_tally
where namespace = {namespace}
    and slot >= {slot_count}
limit {limit}
