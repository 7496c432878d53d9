-- Index: hydra_execution_timer, primary key of hydra_execution. Rows that somebody else has locked are looked at next
-- time, so it waits for nobody. How many go on, and which have limits: they are locked, and for wait_at_gates.
with due as materialized (
    select e.id, e.gate
    from hydra_execution as e
    where e.namespace = %(namespace)s
        and e.wake_at <= %(now)s
    order by e.wake_at
    limit %(limit)s
    for update skip locked
), moved as (
    update hydra_execution as e
    set status = 'pending',
        run_at = e.wake_at,
        wake_at = null
    from due
    where e.id = any(array[due.id])
        and due.gate is null
    returning e.id
)
select (select count(*) from moved), array(select due.id::text from due where due.gate is not null)
