-- Scans hydra_execution and the five queue tables by primary key: each execution lies where its state says, once.
select 'G7', e.id, concat('it is `', e.status, '` with timer ', e.wake_at, ' and time-out ', e.timeout_at, ', but in ',
    if(r.id is null, '', 'ready '), if(t.id is null, '', 'timer '),
    if(g.id is null, '', 'gated '), if(d.id is null, '', 'deadline '),
    if(f.id is null, '', 'finished '), 'of the queues')
from hydra_execution as e
left join hydra_ready as r
    on r.namespace = e.namespace
    and r.workflow = e.workflow
    and r.negated_priority = -e.priority
    and r.run_at = e.run_at
    and r.id = e.id
left join hydra_timer as t on t.namespace = e.namespace and t.due_at = e.wake_at and t.id = e.id
left join hydra_gated as g
    on g.namespace = e.namespace
    and g.limit_key = e.gate
    and g.negated_priority = -e.priority
    and g.run_at = e.run_at
    and g.id = e.id
left join hydra_deadline as d on d.namespace = e.namespace and d.timeout_at = e.timeout_at and d.id = e.id
left join hydra_finished as f on f.namespace = e.namespace and f.finished_at = e.finished_at and f.id = e.id
where e.namespace = {namespace}
    and (
        (r.id is not null) <> (e.status = 'pending' and e.wake_at = 0)
        or (g.id is not null) <> (e.status = 'pending' and e.wake_at = 9223372036854775807)
        or (t.id is not null) <> (e.wake_at <> 0 and e.wake_at <> 9223372036854775807)
        or (d.id is null and e.timeout_at <> 0 and e.status in ('pending', 'sleeping', 'waiting', 'running')
            and e.attention = '')
        or (d.id is not null and e.status in ('completed', 'failed', 'cancelled', 'parked'))
        or (f.id is not null) <> (e.status in ('completed', 'failed', 'cancelled'))
    )
