-- Index: none; what `hydra doctor` judges.
show global status
where variable_name in (
    'Threads_connected', 'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_source_clients', 'Slaves_connected'
)
