-- Index: hydra_child_late, primary keys for the rest. Whoever adopted a child while it was ending, or was retried and
-- waits for its own again, was not seen by that statement: this one sees it. Such links are rare, and gone once told.
with ended as materialized (
    {ended_children only="(c.child_id <> c.request_id or c.is_late)"}  -- guard R14: a beat tells of late children
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
