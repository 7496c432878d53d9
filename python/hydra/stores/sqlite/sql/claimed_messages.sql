-- Index: hydra_message_number. A later statement than the mark, like claimed_records (R12). The first messages of one
-- execution after a number; their sizes are summed up before any is read, and what is too much comes without its
-- payload.
select json_group_array(json_array(id, execution_id, name, hex(payload), sent_at, number))
from (
    select id, execution_id, name, sent_at, number, case when coalesce(bytes_before, 0) <= :bytes then payload else x''
        end as payload
    from (
        select
            *,
            sum(length(payload)) over (
                order by number rows between unbounded preceding and 1 preceding
            ) as bytes_before
        from (
            select id, execution_id, name, payload, sent_at, number
            from hydra_message indexed by hydra_message_number
            where execution_id = :execution_id
                and number > :number
            order by number
            limit :limit
        )
    )
)
