"""Acts as people count them: what one order did to many is one thing. Reads by what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hydra.client.act_orders import ActView
from hydra.stores.acts import ActKind

GROWTH = 8  # how many times as many are read, where an order was cut


class ActGroup(msgspec.Struct, frozen=True):
    """One order. `act` is the first of its lines; `detail` is empty where they do not agree."""

    act: ActView
    count: int
    is_whole: bool  # all of its lines were read
    detail: str


def read_groups(read: Callable[[int], Sequence[ActView]], limit: int, most: int) -> list[ActGroup]:
    """The newest orders, each with the whole of its lines, of which `read` gives that many; at most `most`."""
    found = read(limit)
    asked = limit
    while len(found) == asked < most and len(by_order(found)) <= limit:
        asked = min(asked * GROWTH, most)
        found = read(asked)
    return [_group(order, is_whole=len(found) < most) for order in by_order(found)[:limit]]


def by_order(acts: Sequence[ActView]) -> list[list[ActView]]:
    """What one order did, together."""
    orders: dict[tuple[object, ...], list[ActView]] = {}
    for act in acts:
        orders.setdefault(_order_of(act), []).append(act)
    return list(orders.values())


def _order_of(act: ActView) -> tuple[object, ...]:
    if act.kind in (
        ActKind.RERUN,
        ActKind.RERUN_OF,
    ):  # their id is the other one's; the lines of one order have one time
        return ActKind.RERUN, act.done_at, act.done_by, act.done_from, act.reason
    return act.kind, act.order_id or (act.execution_id, act.other_id), act.execution_id is None


def _group(acts: Sequence[ActView], *, is_whole: bool) -> ActGroup:
    """Of what was run again, the old one's line stands for the new one's, too."""
    lines = [act for act in acts if act.kind != ActKind.RERUN_OF] or acts
    detail = lines[0].detail if len({each.detail for each in lines}) == 1 else ""
    return ActGroup(lines[0], len(lines), is_whole, detail)
