-- Index: primary key of hydra_node. After a scan that found nothing, in a transaction begun after the death was
-- committed (R8).
update hydra_node force index (primary)
set state = 'empty'
where id = {node}
    and state = 'dead'
