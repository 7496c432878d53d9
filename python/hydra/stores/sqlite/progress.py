"""The last word of each long step. No part of the record log: nothing is decided on it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.execution import NodeRef, Progress
from hydra.stores.rows import place_of
from hydra.stores.sqlite.fence import check_fence
from hydra.stores.sqlite.statements import RowStatement
from hydra.stores.sqlite.transaction import Reading, Transaction

_REPORT_PROGRESS = RowStatement("report_progress")


def report_progress(transaction: Transaction, node: NodeRef, reports: Sequence[Progress]) -> None:
    check_fence(transaction, node)  # guard R6: reporting progress takes the fence
    rows = [(each.execution_id, node.id, place_of(each), *msgspec.structs.astuple(each)[1:]) for each in reports]
    transaction.execute_rows(_REPORT_PROGRESS, rows)


def read_progress(reading: Reading, id: str) -> list[Progress]:
    return [Progress(*row) for row in reading.select_shown("progress", id=id)]
