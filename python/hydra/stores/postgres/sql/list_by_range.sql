-- Index: hydra_attribute_value; what lies in the range is sorted by id, so it must be little. Primary keys for the
-- rest.
with found as materialized (
    select a.execution_id
    from hydra_attribute as a
    where a.namespace = %(namespace)s
        and a.name = %(name)s
        and a.value >= %(low)s
        and a.value < %(high)s
        and (%(before)s::uuid is null or a.execution_id < %(before)s)
        and (%(after)s::uuid is null or a.execution_id > %(after)s)
)
select a.execution_id::text
from found as a
join hydra_submission as s on s.execution_id = any(array[a.execution_id])
where true
    and (%(since)s::bigint is null or s.submitted_at >= %(since)s)
    and (%(until)s::bigint is null or s.submitted_at < %(until)s)
    and (%(workflow)s::text is null or s.workflow = %(workflow)s)
    and (%(key)s::text is null or s.key = %(key)s)
    and (%(tags)s::jsonb is null or s.tags @> %(tags)s)
    and (
        %(status)s::text is null
        or coalesce(
            (select e.status from hydra_execution as e where e.id = a.execution_id),
            (select o.status from hydra_outcome as o where o.execution_id = a.execution_id)
        ) = %(status)s
    )
    and (
        %(other_count)s::integer = 0
        or (
            select count(*)
            from unnest(%(names)s::text[], %(lows)s::bytea[], %(highs)s::bytea[]) as w (name, low, high)
            join hydra_attribute as o on o.execution_id = any(array[a.execution_id]) and o.name = w.name
            where o.value >= w.low
                and o.value < w.high
        ) = %(other_count)s
    )
order by a.execution_id desc
limit %(limit)s
