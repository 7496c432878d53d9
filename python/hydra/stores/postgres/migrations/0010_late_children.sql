-- additive
-- A parent that is retried waits again for a child that may just be ending: heartbeats look for such links, as for
-- those of adopted children. The index before, of these alone, serves nodes of the version before.

alter table hydra_child add column is_late boolean not null default false;

create index hydra_child_late on hydra_child (child_id) where child_id <> request_id or is_late;
