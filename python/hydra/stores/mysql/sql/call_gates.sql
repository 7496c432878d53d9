-- Index: none is read.
insert into hydra_gate_call (namespace, limit_key)
values {rows}
