-- Index: primary key of hydra_execution. A new generation gives its place up and waits like a new execution: `promote`
-- follows, and its trigger.
update hydra_execution
set wake_at = run_at
where id in (select value from json_each(:ids))
    and gate is not null
    and +status = 'pending'
    and wake_at is null
