-- Index: primary key of hydra_attribute.
select execution_id, name, value
from hydra_attribute force index (primary)
where execution_id in ({ids})
    and namespace = {namespace}
    and value is not null
