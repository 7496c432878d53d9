-- Index: by_state of hydra_node, then primary key of hydra_node_beat and a range of hydra_execution's by_status.
select
    n.id, n.host, n.boot_id, n.pid, n.pid_started, n.code_version, n.workers, n.lock_path, n.state, n.session,
    b.counter, n.registered_at, b.beat_at,
    (
        select count(*)
        from hydra_execution as e
        where e.namespace = {namespace}
            and e.status = 'running'
            and e.owner = n.id
    ),
    b.code_version, n.labels, n.places
from hydra_node as n
join hydra_node_beat as b on b.node_id = n.id
where n.namespace = {namespace}
order by n.registered_at, n.id
