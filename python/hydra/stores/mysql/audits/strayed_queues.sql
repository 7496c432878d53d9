-- Scans the five queue tables; primary key of hydra_execution. Nothing waits in a queue that no execution explains.
select 'G7', q.id, concat('a row of ', q.source, ' does not fit it')
from (
    select namespace, id, run_at as at, 'hydra_ready' as source from hydra_ready
    union all
    select namespace, id, run_at, 'hydra_gated' from hydra_gated
    union all
    select namespace, id, due_at, 'hydra_timer' from hydra_timer
    union all
    select namespace, id, timeout_at, 'hydra_deadline' from hydra_deadline
    union all
    select namespace, id, finished_at, 'hydra_finished' from hydra_finished
) as q
left join hydra_execution as e on e.id = q.id and e.namespace = q.namespace
where q.namespace = {namespace}
    and (
        e.id is null
        or (q.source = 'hydra_ready' and (e.status <> 'pending' or e.wake_at <> 0 or e.run_at <> q.at))
        or (q.source = 'hydra_gated'
            and (e.status <> 'pending' or e.wake_at <> 9223372036854775807 or e.run_at <> q.at))
        or (q.source = 'hydra_timer' and e.wake_at <> q.at)
        or (q.source = 'hydra_deadline' and e.timeout_at <> q.at)
        or (q.source = 'hydra_finished' and e.finished_at <> q.at)
    )
