-- Index: primary keys of hydra_slot and hydra_execution, the keys of one limit, up to the first that has not begun.
select exists (
    select 1
    from hydra_slot as s
    join hydra_execution as e on e.id = any(array[s.execution_id])
    where s.namespace = %(namespace)s
        and s.limit_key >= %(first)s
        and s.limit_key < %(last)s
        and s.bound > 0
        and e.status = 'pending'
)
