-- additive
-- What lists are led by where no status is given: a workflow, and when executions were submitted. Both are written
-- once, with the submission. InnoDB builds them beside the writes of others.
alter table hydra_execution
    add key by_workflow (workflow, namespace, id),
    add key by_time (namespace, submitted_at, id),
    algorithm = inplace, lock = none;
