-- Index: primary key of hydra_tally, locked by lock_tallies.
delete t from hydra_tally as t force index (primary)
where namespace = {namespace}
    and (workflow, status, slot) in ({rows})
