-- Index: primary key of hydra_execution. After supersede.sql; a time-out that has passed starts again.
update hydra_execution
set status = 'pending',
    run_at = :now,
    finished_at = null,
    attention = null,
    attempt = attempt + 1,
    record_count = record_count + (cause_seq > 0),
    cause = '',
    cause_seq = 0,
    death_count = 0,
    alone_death_count = 0,
    timeout_at = case
        when timeout_at > :now then timeout_at
        else :now + (
            select coalesce(s.timeout_us, hydra_execution.timeout_at - s.submitted_at)
            from hydra_submission as s
            where s.execution_id = hydra_execution.id
        )
    end
where id in (select value from json_each(:ids))
    and namespace = :namespace
    and status = 'failed'
    and id not in (select execution_id from hydra_former_key)
