-- Index: none. One row for each migration that was finished.
create table if not exists hydra_schema (
    version int not null,
    primary key (version)
) engine = innodb
