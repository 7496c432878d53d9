-- Index: primary key of hydra_gate_call. All calls of these keys, under the write lock: one look answers them.
delete from hydra_gate_call
where id in (select value from json_each(:ids))
