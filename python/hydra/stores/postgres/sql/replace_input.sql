-- Index: primary key of hydra_submission. Of an execution that has never begun, locked by lock_waiting.
update hydra_submission as s
set digest = %(digest)s,
    input = %(input)s,
    tags = %(tags)s::jsonb,
    limit_keys = %(limit_keys)s::jsonb
where s.execution_id = %(id)s
