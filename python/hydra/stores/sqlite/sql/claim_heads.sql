-- Index: hydra_execution_ready, its first :slots entries for each workflow and nothing else; primary key of
-- hydra_pause, of which nothing is taken.
select json_group_array(json((
    select json_group_array(json_array(id, priority, run_at))
    from (
        select id, priority, run_at
        from hydra_execution indexed by hydra_execution_ready
        where namespace = :namespace
            and workflow = w.value
            and status = 'pending'
            and wake_at is null
        order by priority desc, run_at, id
        limit :slots
    )
)))
from json_each(:workflows) as w
where not exists (
    select 1
    from hydra_pause
    where namespace = :namespace
        and kind = 'namespace'
)
    and not exists (
        select 1
        from hydra_pause
        where namespace = :namespace
            and kind = 'workflow'
            and name = w.value
    )
