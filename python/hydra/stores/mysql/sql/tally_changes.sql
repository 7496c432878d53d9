-- Index: one of the first two ranges of hydra_tally's primary key, one row a slot; hydra_delta is small.
select
    cast(coalesce(sum(total), 0) as signed),
    (select count(*) from hydra_delta where namespace = {namespace}),
    (select count(*) from hydra_node where namespace = {namespace} and state = 'alive')
from hydra_tally
where namespace = {namespace}
    and workflow = ''
    and status = {kind}
