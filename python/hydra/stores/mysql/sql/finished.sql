-- Index: primary key of hydra_finished, onwards from a place; primary key of hydra_execution.
select f.id, e.workflow, e.status, f.finished_at
from hydra_finished as f force index (primary)
straight_join hydra_execution as e force index (primary) on e.id = f.id
where f.namespace = {namespace}
    and f.finished_at >= {after_at}
    and f.finished_at < {until}
    and (f.finished_at > {after_at} or f.id > {after_id})
order by f.finished_at, f.id
limit {limit}
