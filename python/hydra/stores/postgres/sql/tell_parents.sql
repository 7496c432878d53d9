-- Index: primary keys of hydra_child, hydra_outcome and hydra_claim. A later statement than the one that made the
-- links, which has waited for whoever was ending a child.
with ended as materialized (
    {ended_children only="c.child_id = any(%(ids)s)"}
), link as (
    {requests_of_ended}
), heard as materialized (
    {heard}
), parent as materialized (
    {parents}
), woken as (
    {woken of=parent}
)
{told}
