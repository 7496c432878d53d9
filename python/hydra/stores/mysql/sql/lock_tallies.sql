-- Index: hydra_tally's primary key. Skips what another node folds.
select workflow, status, slot, total
from hydra_tally force index (primary)
where namespace = {namespace}
    and (workflow, status, slot) in ({rows})
for update skip locked
