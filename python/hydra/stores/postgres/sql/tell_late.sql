-- Index: hydra_child_late, primary keys for the rest. Whoever adopted a child while it was ending, or was retried and
-- waits for its own again, was not seen by that statement: this one sees it. Such links are rare, and gone once told.
with ended as materialized (
    {ended_children only="(c.child_id <> c.request_id or c.is_late)"}  -- guard R14: a beat tells of late children
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
