-- Index: primary key of hydra_submission. Of an execution that has never begun, under the write lock.
update hydra_submission
set digest = :digest,
    input = :input,
    tags = :tags,
    limit_keys = :limit_keys
where execution_id = :id
