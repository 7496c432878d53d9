-- Index: primary key of hydra_workflow, which is small.
select name, labels
from hydra_workflow
where namespace = :namespace
    and labels <> '[]'
