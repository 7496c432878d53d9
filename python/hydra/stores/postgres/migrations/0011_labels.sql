-- additive
-- Groups of nodes: a workflow runs where a node has all of its labels (JSON texts). `places` is how many executions a
-- node runs at a time; 0 of a hydra that did not say.

alter table hydra_workflow add column labels text not null default '[]';
alter table hydra_node add column labels text not null default '[]';
alter table hydra_node add column places integer not null default 0;
