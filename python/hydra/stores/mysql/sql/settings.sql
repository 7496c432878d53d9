-- Index: none; what `hydra doctor` judges. Servers know the variables of their own kind only.
show global variables
where variable_name in (
    'version', 'innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog', 'read_only',
 'super_read_only', 'innodb_read_only', 'tx_read_only', 'transaction_read_only',
    'max_allowed_packet', 'max_connections', 'rpl_semi_sync_master_enabled',
    'rpl_semi_sync_source_enabled', 'version_comment', 'aurora_version'
)
