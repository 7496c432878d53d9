-- Index: none.
rollback to savepoint hydra_submit_in
