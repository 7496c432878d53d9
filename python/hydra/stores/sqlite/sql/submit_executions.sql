-- Index: primary key of hydra_execution; ids grow with time, so inserts append.
insert into hydra_execution (id, namespace, workflow, status, priority, run_at, wake_at, timeout_at, gate)
values (?, ?, ?, 'pending', ?, ?, ?, ?, ?)
on conflict (id) do nothing  -- guard R17: an id that is known is no new execution
