-- additive
-- The queues of keys once more, under a condition from which no other index's follows. By a plan made before there were
-- statistics of what waits, the index of what is notable, or of timers, looked as good for a queue: a look read and
-- sorted all that waits. What led here before is of no use any more; no released code asks for it.
create index if not exists hydra_execution_queue on hydra_execution (namespace, gate, (-priority::bigint), run_at, id)
    where gate is not null and status = 'pending' and coalesce(wake_at, 0) = 9223372036854775807;
create index if not exists hydra_execution_elders on hydra_execution (namespace, gate, run_at, id)
    where gate >= 'by_turns:' and gate < 'by_turns<' and status = 'pending'
        and coalesce(wake_at, 0) = 9223372036854775807;
drop index if exists hydra_execution_gated;
drop index if exists hydra_execution_eldest;
