-- Index: primary key of hydra_submission.
select execution_id, limit_keys
from hydra_submission
where execution_id in (select value from json_each(:ids))
    and limit_keys is not null
