-- Index: primary key of hydra_execution, locked by lock_waiting. For as long as its limits change: it leaves those it
-- waits at (hydra_gate_left).
update hydra_execution as e
set wake_at = %(wake_at)s
where e.id = %(id)s
    and e.status = 'pending'
