-- Index: none; what `hydra doctor` judges.
select name, setting, source
from pg_catalog.pg_settings
where name in (
    'server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'synchronous_standby_names',
    'default_transaction_read_only', 'default_transaction_isolation', 'max_connections'
)
