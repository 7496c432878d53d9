-- additive
-- Which keys have encrypted payloads of a namespace, and the secret that keys its digests, encrypted with each.

create table if not exists hydra_payload_key (
    namespace varbinary(200) not null,
    number int not null,  -- from 1, in the order in which they began to encrypt
    key_id varchar(64) character set ascii collate ascii_bin not null,
    wrapped varbinary(512) not null,
    added_at bigint not null,
    primary key (namespace, number)
) engine = innodb row_format = dynamic;
