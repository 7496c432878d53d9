-- Index: primary key of hydra_message; the executions are locked by `commit_read`. What is there for waits that are
-- over.
select id, execution_id, name, payload, sent_at, number
from hydra_message force index (primary)
where execution_id in ({ids})
    and name in ({names})
