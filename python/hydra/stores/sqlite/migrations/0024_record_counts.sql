-- additive
-- While a claim runs, only its log says how many records it has: writing the number beside each record would cost as
-- much as the record. Whoever hands an execution back, a node of the version before included, leaves it as the log is.

create trigger hydra_execution_returned after update of owner on hydra_execution
    when old.owner is not null and new.status = 'pending'
begin
    update hydra_execution
    set record_count = (select coalesce(max(seq), 0) from hydra_record where execution_id = new.id)
    where id = new.id;
end;
