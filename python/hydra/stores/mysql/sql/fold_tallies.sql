-- Index: hydra_tally's primary key; small. What transactions of callers left apart, to be added to a slot.
select workflow, status, slot, total
from hydra_tally
where namespace = {namespace}
    and slot >= {slot_count}
limit {limit}
for update skip locked
