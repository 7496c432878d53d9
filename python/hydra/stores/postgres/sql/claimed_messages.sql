-- Index: hydra_execution_owner, primary key of hydra_message. A later statement than the mark, like claimed_records (R12).
select m.id::text, m.execution_id::text, m.name, m.payload, m.sent_at
from (
    select e.id
    from hydra_execution as e
    where e.owner = %(node)s
        and e.status = 'running'
        and e.claimed_at = %(now)s
        and e.wake_seq > 0
    offset 0
) as e
cross join lateral (
    select m.*
    from hydra_message as m
    where m.execution_id = e.id
    offset 0
) as m
order by m.sent_at, m.id
