-- Index: primary key of hydra_descendant. A child is part of its parent's tree.
insert into hydra_descendant (execution_id, root_id)
select child.value ->> 0, coalesce(
    (select d.root_id from hydra_descendant as d where d.execution_id = child.value ->> 1),
    child.value ->> 1
)
from json_each(:rows) as child
where true
on conflict (execution_id) do nothing
