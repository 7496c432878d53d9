-- Index: primary key of hydra_claim. The line that says where the records come from; no node has this id.
insert into hydra_claim (
    execution_id, claimed_at, ended_at, node, epoch, attempt, worker, ending, detail, payload
)
values (%(id)s, %(now)s, %(now)s, '00000000-0000-0000-0000-000000000000', 1, 1, null, 'released', %(detail)s, null)
