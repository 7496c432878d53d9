-- additive
-- Which keys are called, whatever number of calls each has: so that a look can take them by turn.
create index hydra_gate_call_key on hydra_gate_call (namespace, limit_key, id);
