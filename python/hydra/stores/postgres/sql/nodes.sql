-- Index: primary keys of hydra_node and hydra_node_beat.
select
    n.id::text, n.host, n.boot_id, n.pid, n.pid_started, n.code_version, n.workers, n.lock_path, n.state, n.session,
    b.counter,
    n.registered_at, b.beat_at,
    (select count(*) from hydra_execution as e where e.owner = n.id and e.status = 'running'),
    b.code_version, n.labels, n.places
from hydra_node as n
join hydra_node_beat as b on b.node_id = n.id
where n.namespace = %(namespace)s
order by n.registered_at, n.id
