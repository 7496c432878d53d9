-- Index: primary keys of hydra_execution and hydra_claim.
insert into hydra_claim (
    execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload
)
select id, epoch, attempt, :node, null, :now, :now, 'parked', :cause, :reason
from hydra_execution
where id in (select value from json_each(:ids))
