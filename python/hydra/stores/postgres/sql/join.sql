-- Index: none. What follows can be undone without ending the caller's transaction.
savepoint hydra_submit_in
