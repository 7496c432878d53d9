-- Index: primary key of hydra_claim, which also refuses a second end of one epoch.
insert into hydra_claim (
    execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload
)
values {rows}
