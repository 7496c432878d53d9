-- Index: none. Servers that commit in several places at once share no row locks between them.
show global variables
where variable_name in ('wsrep_on', 'group_replication_single_primary_mode', 'group_replication_group_name')
