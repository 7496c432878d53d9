-- Index: hydra_execution_owner, hydra_message_number. A later statement than the mark, like claimed_records (R12). Of
-- each execution the first messages, whose sizes are summed up before any is read.
select m.id::text, m.execution_id::text, m.name, m.payload, m.sent_at, m.number
from (
    select e.id
    from hydra_execution as e
    where e.owner = %(node)s
        and e.status = 'running'
        and e.claimed_at = %(now)s
        and e.wake_seq > 0
    offset 0
) as e
{message_page after=%(number)s}
