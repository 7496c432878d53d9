-- Index: primary keys of hydra_key, hydra_submission and hydra_outcome. What took its key by the instant given gives it
-- up, whatever became of it; not to a submission that was made before (R17). Locks as free_keys does. What is open then
-- has a line that says so.
with known as materialized (
    select k.namespace, k.workflow, k.key_hash, k.execution_id, i.id
    from hydra_key as k
    join unnest(%(workflows)s, %(key_hashes)s, %(ids)s, %(taken_bys)s) as i (workflow, key_hash, id, taken_by)
        on k.namespace = %(namespace)s
        and k.workflow = i.workflow
        and k.key_hash = i.key_hash
        and k.execution_id <> i.id
        and k.created_at <= i.taken_by
    where (select s.execution_id from hydra_submission as s where s.execution_id = i.id) is null
    order by k.workflow, k.key_hash
    for update of k
), ended as materialized (
    select o.execution_id
    from known
    join hydra_outcome as o on o.execution_id = any(array[known.execution_id])
    order by o.execution_id
    for share of o
), there as materialized (
    select known.execution_id, known.id
    from known
    where (select s.execution_id from hydra_submission as s where s.execution_id = known.execution_id) is not null
), former as (
    insert into hydra_former_key (execution_id)
    select there.execution_id
    from there
    order by there.execution_id
    on conflict (execution_id) do nothing
), told as (
    insert into hydra_act (execution_id, id, done_at, namespace, kind, done_by, reason, detail)
    select
        there.execution_id, there.id, %(now)s, %(namespace)s, 'key_passed', 'a submission', '',
        format('its key is that of execution `%%s`', there.id)
    from there
    where there.execution_id not in (select ended.execution_id from ended)
    order by there.execution_id
    on conflict (execution_id, id) do nothing
)
delete from hydra_key as k
using known
where k.namespace = known.namespace
    and k.workflow = known.workflow
    and k.key_hash = known.key_hash
