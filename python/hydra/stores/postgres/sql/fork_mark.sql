-- Index: primary key of hydra_execution. A row of this transaction, which nobody else has seen.
update hydra_execution
set epoch = 1,
    record_count = %(record_count)s
where id = %(id)s
