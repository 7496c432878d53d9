-- Index: primary key of hydra_node. An id is of one registration and never reused (R1).
insert into hydra_node (
    id, namespace, host, boot_id, pid, pid_started, code_version, workers, lock_path, labels, places, state, session,
    registered_at
)
values (
    %(id)s, %(namespace)s, %(host)s, %(boot_id)s, %(pid)s, %(pid_started)s, %(code_version)s, %(workers)s,
    %(lock_path)s,
    %(labels)s, %(places)s, 'alive', 1, %(now)s
)
on conflict (id) do nothing  -- guard R1: an id registers once
