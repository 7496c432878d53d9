-- Index: primary key of hydra_act. Ids grow with time.
select execution_id, id, kind, done_at, done_by, reason, detail, done_from
from hydra_act force index (primary)
where execution_id = {id}
    and namespace = {namespace}
order by id
