-- Index: primary keys of hydra_child, hydra_outcome and hydra_claim. A later statement than the one that made the
-- links, which has waited for whoever was ending a child.
with ended as materialized (
    {ended_children only="c.child_id = any(%(ids)s)"}
), link as (
    {requests_of_ended}
), parent as materialized (
    {parents}
), woken as (
    {woken}
)
{told of=woken status=ended.status cause=ended.cause payload=ended.payload}
join woken on woken.id = link.parent_id
join ended on ended.id = link.child_id and ended.request_id = link.request_id
on conflict (execution_id, id) do nothing
