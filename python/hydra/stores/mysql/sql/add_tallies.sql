-- Index: primary key of hydra_tally. The last statement before COMMIT, of this store's own slot: its lock is held
-- shortly and nobody who holds it waits for anything else.
insert into hydra_tally (namespace, workflow, status, slot, total)
values {rows}
on duplicate key update total = total + values(total)
