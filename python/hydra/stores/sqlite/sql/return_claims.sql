-- Index: primary keys of hydra_execution and hydra_claim. Before the rows are returned, while they still name their
-- owner.
insert into hydra_claim (
    execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload
)
select id, epoch, attempt, owner, null, claimed_at, :now, 'lost', '', null
from hydra_execution
where id in (select value from json_each(:ids))
    and status = 'running'
