-- Index: the first entry of the primary keys of hydra_ready, hydra_timer and hydra_deadline each.
select
    exists (select 1 from hydra_ready where namespace = {namespace}),
    least(
        coalesce((select min(due_at) from hydra_timer where namespace = {namespace}), {never}),
        coalesce((select min(timeout_at) from hydra_deadline where namespace = {namespace}), {never})
    )
