-- additive
-- What lists are led by where no status is given: a workflow, and when executions were submitted. Both are written
-- once, with the submission. Whoever has many millions of rows makes them before, without a lock (docs/operations.md).
-- The first one's condition is always true, and follows from a workflow alone: what looks for an id has no use for it,
-- which a plan made while it was one page might have.
create index if not exists hydra_submission_workflow on hydra_submission (workflow, namespace, execution_id)
    where workflow is not null;
create index if not exists hydra_submission_time on hydra_submission using brin (submitted_at) with (
    pages_per_range = 16, autosummarize = on
);
