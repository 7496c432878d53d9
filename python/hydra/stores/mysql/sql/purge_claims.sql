-- Index: primary key of hydra_claim.
delete t from hydra_claim as t force index (primary)
where execution_id in ({ids})
