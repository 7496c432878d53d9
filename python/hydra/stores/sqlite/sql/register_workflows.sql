-- Index: primary key of hydra_workflow.
insert into hydra_workflow (namespace, name, signature, timeout_us, code_version)
values (:namespace, :name, :signature, :timeout_us, :code_version)
on conflict (namespace, name) do update
set signature = excluded.signature,
    timeout_us = excluded.timeout_us,
    code_version = excluded.code_version
where signature <> excluded.signature
    or timeout_us is not excluded.timeout_us
    or code_version <> excluded.code_version
