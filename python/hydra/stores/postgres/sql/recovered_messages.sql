-- Index: hydra_message_number. The first messages of each, like claimed_messages.
select m.id::text, m.execution_id::text, m.name, m.payload, m.sent_at, m.number
from unnest(%(ids)s) as e (id)
{message_page after=%(number)s}
