-- Index: primary key of hydra_workflow, in name order, so that nodes that start together queue and never cross.
insert into hydra_workflow (namespace, name, signature, timeout_us, code_version, labels)
values {rows}
on duplicate key update
    signature = values(signature),
    timeout_us = values(timeout_us),
    code_version = values(code_version),
    labels = values(labels)
