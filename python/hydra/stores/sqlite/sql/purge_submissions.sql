-- Index: primary key of hydra_submission.
delete from hydra_submission
where execution_id in (select value from json_each(:ids))
