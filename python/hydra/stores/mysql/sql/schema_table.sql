-- Index: none. One row for each migration that was finished.
create table if not exists hydra_schema (
    version int not null,
    is_additive tinyint not null default 0,
    primary key (version)
) engine = innodb
