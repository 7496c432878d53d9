-- additive
-- How long a time-out is, from when the execution is due: one that has passed starts again with it at a retry or
-- resume. Code that does not know it leaves it out, and counts from the submission.

alter table hydra_submission add column timeout_us integer;
