-- Index: primary key of hydra_workflow.
insert into hydra_workflow (namespace, name, signature, timeout_us, code_version, labels)
values (:namespace, :name, :signature, :timeout_us, :code_version, :labels)
on conflict (namespace, name) do update
set signature = excluded.signature,
    timeout_us = excluded.timeout_us,
    code_version = excluded.code_version,
    labels = excluded.labels
where signature <> excluded.signature
    or timeout_us is not excluded.timeout_us
    or code_version <> excluded.code_version
    or labels <> excluded.labels
