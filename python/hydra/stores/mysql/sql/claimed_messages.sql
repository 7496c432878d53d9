-- Index: primary key of hydra_message. A later statement than the lock, like claimed_records (R12).
select id, execution_id, name, payload, sent_at
from hydra_message
where execution_id in ({ids})
order by sent_at, id
