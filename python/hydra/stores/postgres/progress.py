"""The last word of each long step. No part of the record log: nothing is decided on it."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import NodeRef, Progress
from hydra.stores.postgres.arrays import bigints, byteas, integers, is_uuid, texts, uuids
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.rows import place_of


def report_progress(transaction: Transaction, node: NodeRef, reports: Sequence[Progress]) -> None:
    values = {
        **fence(node),
        "ids": uuids([p.execution_id for p in reports]),
        "started_ats": bigints([p.started_at for p in reports]),
        "reported_ats": bigints([p.reported_at for p in reports]),
        "ordinals": integers([p.ordinal for p in reports]),
        "attempts": integers([p.attempt for p in reports]),
        "places": byteas([place_of(p) for p in reports]),
        "branches": texts([p.branch for p in reports]),
        "names": texts([p.name for p in reports]),
        "payloads": byteas([p.payload for p in reports]),
    }
    check_fence(node, transaction.select("report_progress", **values))


def read_progress(reading: Reading, id: str) -> list[Progress]:
    rows = reading.select("progress", ids=uuids([id] if is_uuid(id) else []))
    return [Progress(*row) for row in rows]
