-- Index: primary key of hydra_workflow.
select name, signature, timeout_us, code_version, labels
from hydra_workflow
where namespace = {namespace}
order by name
