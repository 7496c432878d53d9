-- Index: primary keys of hydra_slot and hydra_execution, the keys of one limit, up to the first that has not begun.
select exists (
    select 1
    from hydra_slot as s
    cross join hydra_execution as e on e.id = s.execution_id
    where s.namespace = :namespace
        and s.limit_key >= :first
        and s.limit_key < :last
        and s.bound > 0
        and e.status = 'pending'
)
