-- Index: primary key of hydra_execution. A time-out that has passed starts again.
update hydra_execution
set status = 'pending',
    run_at = :now,
    cause = '',
    record_count = record_count + 1,
    death_count = 0,
    alone_death_count = 0,
    timeout_at = case
        when timeout_at > :now then timeout_at
        else :now + timeout_at - (select submitted_at from hydra_submission as s
            where s.execution_id = hydra_execution.id)
    end
where id = :id
    and namespace = :namespace
    and status = 'parked'
    and record_count = :record_count
