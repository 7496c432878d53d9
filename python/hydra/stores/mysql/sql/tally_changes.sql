-- Index: the first range of hydra_tally's primary key, one row a slot; hydra_delta is small.
select
    cast((select coalesce(sum(total), 0) from hydra_tally where namespace = {namespace} and workflow = '') as signed),
    (select count(*) from hydra_delta where namespace = {namespace}),
    (select count(*) from hydra_node where namespace = {namespace} and state = 'alive')
