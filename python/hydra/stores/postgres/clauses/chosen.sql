-- Index: none; primary keys, of what was found by an attribute. Whether it is what else was asked for.
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
