-- Index: primary key of hydra_node. An id is of one registration and never reused (R1).
insert into hydra_node (  -- guard R1: an id registers once
    id, namespace, host, boot_id, pid, pid_started, code_version, workers, lock_path, labels, places, state, session,
    fence, registered_at
)
values {row}
