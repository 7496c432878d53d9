-- Index: the first range of hydra_tally's primary key, one row a slot.
select cast(coalesce(sum(total), 0) as signed), (
    select count(*) from hydra_node where namespace = {namespace} and state = 'alive'
)
from hydra_tally
where namespace = {namespace}
    and workflow = ''
