-- Index: primary keys of hydra_key, hydra_submission and hydra_outcome. What has ended, or was purged, gives its key
-- up; not to a submission that was made before (R17). Locks the key, then the outcome, against whoever retries it: keys
-- before executions.
with known as materialized (
    select k.namespace, k.workflow, k.key_hash, k.execution_id
    from hydra_key as k
    join unnest(%(workflows)s, %(key_hashes)s, %(ids)s) as i (workflow, key_hash, id)
        on k.namespace = %(namespace)s
        and k.workflow = i.workflow
        and k.key_hash = i.key_hash
        and k.execution_id <> i.id
    where (select s.execution_id from hydra_submission as s where s.execution_id = i.id) is null
    order by k.workflow, k.key_hash
    for update of k
), ended as materialized (
    select o.execution_id
    from known
    join hydra_outcome as o on o.execution_id = any(array[known.execution_id])
    order by o.execution_id
    for share of o
), former as (
    insert into hydra_former_key (execution_id)
    select distinct ended.execution_id
    from ended
    on conflict (execution_id) do nothing
)
delete from hydra_key as k
using known
where k.namespace = known.namespace
    and k.workflow = known.workflow
    and k.key_hash = known.key_hash
    and (
        known.execution_id in (select ended.execution_id from ended)
        or (select s.execution_id from hydra_submission as s where s.execution_id = known.execution_id) is null
    )
