-- Index: primary key of hydra_approval, which is small: those whose time has been over for long, and the rules
-- before that one.
delete from hydra_approval
where namespace = :namespace
    and (expires_at < :before or (expires_at = 4611686018427387904 and id < :rule))
