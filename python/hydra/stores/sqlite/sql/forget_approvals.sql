-- Index: primary key of hydra_approval, which is small: those whose time has been over for long, the rules before that
-- one, and of what no longer waits the oldest. No rule is among these: its time is never over.
delete from hydra_approval
where namespace = :namespace
    and (
        expires_at < :before
        or (expires_at = 4611686018427387904 and id < :rule)
        or (
            expires_at < 4611686018427387904
            and id <= :decided
            and (state <> 'open' or expires_at <= :now)
        )
    )
