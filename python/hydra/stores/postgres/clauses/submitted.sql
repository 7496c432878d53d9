-- Index: primary keys of hydra_key and hydra_submission. Takes keys, and writes what was asked for of those that have
-- none or got theirs, as CTEs before those of the statement. Keys go in sorted, so batches never wait in a ring; of
-- those that ask for one key the first in the batch gets it.
with key as (
    insert into hydra_key (namespace, workflow, key_hash, execution_id, created_at, digest, key)
    select %(namespace)s, i.workflow, i.key_hash, i.id, %(now)s, i.digest, i.key
    from unnest(%(ids)s, %(workflows)s, %(keys)s, %(key_hashes)s, %(digests)s)
        with ordinality as i (id, workflow, key, key_hash, digest, place)
    where i.key is not null
        and (select s.execution_id from hydra_submission as s where s.execution_id = i.id) is null
    order by i.workflow, i.key_hash, i.place
    on conflict (namespace, workflow, key_hash) do nothing  -- guard R18: a key that is known is never written over
    returning execution_id
), submission as (
    insert into hydra_submission (
        execution_id, submitted_at, due_at, timeout_at, priority, namespace, workflow, key, digest, input, tags,
        limit_keys
    )
    select
        i.id, %(now)s, i.due_at, i.timeout_at, i.priority, %(namespace)s, i.workflow, i.key, i.digest, i.input,
        i.tags::jsonb, i.limit_keys::jsonb
    from unnest(
        %(ids)s, %(due_ats)s, %(timeout_ats)s, %(priorities)s, %(workflows)s, %(keys)s, %(digests)s, %(inputs)s,
        %(tags)s, %(limit_keys)s
    ) as i (id, due_at, timeout_at, priority, workflow, key, digest, input, tags, limit_keys)
    where i.key is null
        or i.id in (select key.execution_id from key)
    on conflict (execution_id) do nothing
    returning execution_id, due_at, timeout_at, priority, namespace, workflow, limit_keys ->> 0 as gate
)
