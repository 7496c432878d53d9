-- Index: primary key of hydra_delta. New rows that no other transaction waits for, however long this one stays open.
insert into hydra_delta (id, namespace, workflow, status, total)
values {rows}
