-- Index: the first entry of the primary keys of hydra_ready, hydra_timer and hydra_deadline each, of hydra_gate_call's
-- by_namespace, and of hydra_limit_key's by_look. What has limits is ready once a look at its key lets it through.
select
    exists (select 1 from hydra_ready where namespace = {namespace})
        or exists (select 1 from hydra_gate_call force index (by_namespace) where namespace = {namespace}),
    least(
        coalesce((select min(due_at) from hydra_timer where namespace = {namespace}), {never}),
        coalesce((select min(timeout_at) from hydra_deadline where namespace = {namespace}), {never}),
        coalesce(
            (
                select min(look_at) from hydra_limit_key force index (by_look)
                where namespace = {namespace} and look_at > 0
            ),
            {never}
        )
    )
