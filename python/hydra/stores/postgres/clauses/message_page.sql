-- Index: hydra_message_number. Of each execution `e` the messages after a number; those behind too many bytes without
-- their payloads.
cross join lateral (
    select
        page.id,
        page.execution_id,
        page.name,
        page.sent_at,
        page.number,
        case when coalesce(page.bytes_before, 0) <= %(bytes)s then page.payload else ''::bytea end as payload
    from (
        select
            first.*,
            sum(octet_length(first.payload)) over (
                order by first.number rows between unbounded preceding and 1 preceding
            ) as bytes_before
        from (
            select m.*
            from hydra_message as m
            where m.execution_id = e.id
                and m.number > {after}
            order by m.number
            limit %(limit)s
        ) as first
    ) as page
    offset 0
) as m
order by m.number, m.sent_at, m.id
