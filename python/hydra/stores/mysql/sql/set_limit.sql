-- Index: primary key of hydra_limit. All null: the code's numbers hold again.
update hydra_limit force index (primary)
set set_count = {count},
    set_per_us = {per_us},
    set_burst = {burst}
where namespace = {namespace}
    and kind = {kind}
    and name = {limit_name}
