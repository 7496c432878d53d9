-- Index: none.
release savepoint hydra_submit_in
