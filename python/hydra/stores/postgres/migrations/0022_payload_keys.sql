-- additive
-- Which keys have encrypted payloads of a namespace, and the secret that keys its digests, encrypted with each.

create table hydra_payload_key (
    namespace text collate "C" not null,
    number integer not null,  -- from 1, in the order in which they began to encrypt
    key_id text collate "C" not null,
    wrapped bytea not null,
    added_at bigint not null,
    primary key (namespace, number)
);
