-- additive
-- Which keys are called, whatever number of calls each has: so that a look can take them by turn.

alter table hydra_gate_call add key by_key (namespace, limit_key, id);
