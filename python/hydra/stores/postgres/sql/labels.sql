-- Index: primary key of hydra_workflow, which is small.
select w.name, w.labels
from hydra_workflow as w
where w.namespace = %(namespace)s
    and w.labels <> '[]'
