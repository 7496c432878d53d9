-- Index: primary key of hydra_limit. The code bounds them no more; what an operator has set stays.
update hydra_limit force index (primary)
set count = 0
where namespace = {namespace}
    and kind = 'pending'
    and name in ({names})
    and count <> 0
