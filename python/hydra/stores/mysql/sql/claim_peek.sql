-- Index: the first entry of each workflow's range of hydra_ready's primary key. Locks nothing.
select exists (
    select 1
    from hydra_ready force index (primary)
    where namespace = {namespace}
        and workflow in ({workflows})
)
