-- Index: hydra_message's by_number, then its primary key. The first messages of one execution after a number; their
-- sizes are summed up in the index before any is read. One such select for each execution. A later statement than the
-- lock, like claimed_records (R12).
(
    select
        m.id, m.execution_id, m.name, if(coalesce(page.bytes_before, 0) <= {bytes}, m.payload, x''), m.sent_at, m.number
    from (
        select first.id, sum(first.size) over (
            order by first.number rows between unbounded preceding and 1 preceding
        ) as bytes_before
        from (
            select n.id, n.number, n.size
            from hydra_message as n force index (by_number)
            where n.execution_id = {id}
                and n.number > {number}
                and {condition}
            order by n.number
            limit {limit}
        ) as first
    ) as page
    straight_join hydra_message as m force index (primary) on m.execution_id = {id} and m.id = page.id
)
