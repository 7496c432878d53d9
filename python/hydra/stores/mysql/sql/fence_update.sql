-- Index: primary key of hydra_node. The fence where share locks do not block: one row or refuse (R9).
update hydra_node force index (primary)
set fence = fence + 1
where id = {node}
    and session = {session}
    and namespace = {namespace}
    and state = 'alive'  -- guard R9: the fence that is an update must find one row
