-- Index: primary key of hydra_tally, locked by lock_tallies.
delete from hydra_tally
where namespace = {namespace}
    and (workflow, status, slot) in ({rows})
