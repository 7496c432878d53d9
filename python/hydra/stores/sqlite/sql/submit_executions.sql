-- Index: primary key of hydra_execution; ids grow with time, so inserts append.
insert into hydra_execution (id, namespace, workflow, status, priority, run_at, wake_at, timeout_at)
select
    value ->> 0,
    :namespace,
    value ->> 1,
    'pending',
    value ->> 3,
    value ->> 4,
    value ->> 5,
    value ->> 6
from json_each(:rows)
where true
on conflict (id) do nothing
