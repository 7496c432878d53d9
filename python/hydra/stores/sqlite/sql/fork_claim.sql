-- Index: primary key of hydra_claim. The line that says where the records come from; no node has this id.
insert into hydra_claim (
    execution_id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail, payload
)
values (:id, 1, 1, '00000000-0000-0000-0000-000000000000', null, :now, :now, 'released', :detail, null)
