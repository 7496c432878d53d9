-- Index: hydra_execution's by_status, from the newest end or the oldest; one such select for each status asked for.
(
    select id
    from hydra_execution force index (by_status)
    where namespace = {namespace}
        and status = {status}
        and {conditions}
    order by id {way}
    limit {limit}
)
