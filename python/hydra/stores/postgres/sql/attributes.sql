-- Index: primary key of hydra_attribute.
select a.execution_id::text, a.name, a.value
from hydra_attribute as a
where a.execution_id = any(%(ids)s)
    and a.value is not null
