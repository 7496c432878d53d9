-- Index: primary key of hydra_claim.
delete from hydra_claim
where execution_id in ({ids})
