-- Index: primary key of hydra_execution. For as long as its limits change: it leaves those it waits at
-- (hydra_gate_left).
update hydra_execution
set wake_at = :wake_at
where id = :id
    and status = 'pending'
