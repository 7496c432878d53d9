-- Index: primary keys of hydra_key and hydra_submission. Keys come sorted, so two batches never wait for each other in a ring.
insert into hydra_key (namespace, workflow, key, execution_id, digest, created_at)
select %(namespace)s, i.workflow, i.key, i.id, i.digest, %(now)s
from unnest(%(ids)s, %(workflows)s, %(keys)s, %(digests)s) as i (id, workflow, key, digest)
where i.key is not null
    and (select s.execution_id from hydra_submission as s where s.execution_id = i.id) is null
on conflict (namespace, workflow, key) do nothing
