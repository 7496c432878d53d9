-- additive
-- What lists are led by where no status is given: a workflow, and when executions were submitted. Both are written
-- once, with the submission; nothing that changes is in them. The namespace comes second, so that nobody takes the
-- index who looks up executions of a namespace by their ids.
create index hydra_execution_workflow on hydra_execution (workflow, namespace, id);
create index hydra_submission_time on hydra_submission (submitted_at, execution_id);
