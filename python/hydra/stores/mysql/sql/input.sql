-- Index: primary key of hydra_execution.
select input
from hydra_execution
where id = {id}
    and namespace = {namespace}
