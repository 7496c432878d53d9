-- Index: the first entry of the primary keys of hydra_timer and hydra_deadline each.
select least(
    coalesce((select min(due_at) from hydra_timer where namespace = {namespace}), {never}),
    coalesce((select min(timeout_at) from hydra_deadline where namespace = {namespace}), {never})
)
