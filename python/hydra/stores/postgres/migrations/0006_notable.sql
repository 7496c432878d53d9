-- additive
-- What stands still, in the order in which it is listed; pending in it is what is delayed. The path from submission to
-- end does not touch it; a suspend or a delay does, for about 2 µs.

create index hydra_execution_notable on hydra_execution (namespace, status, id)
    where status in ('sleeping', 'waiting', 'parked') or (status = 'pending' and wake_at is not null);
