-- Index: primary key of hydra_schedule. What somebody else changed since the revision was read is left alone (R25).
update hydra_schedule force index (primary)
set spec = {spec},
    revision = revision + 1,
    mark_at = {mark_at},
    next_at = {next_at}
where namespace = {namespace}
    and name = {schedule}
    and revision = {revision}  -- guard R25: an upsert compares the revision
    and spec <> {spec}
    and mark_at <= {mark_at}  -- guard R25: an upsert never takes the mark back
