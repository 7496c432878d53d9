"""The last word of each long step. No part of the record log: nothing is decided on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hydra.execution import NodeRef, Progress
from hydra.stores.rows import place_of
from hydra.stores.sqlite.fence import check_fence
from hydra.stores.sqlite.statements import RowStatement, execute_rows, select_shown

_REPORT_PROGRESS = RowStatement("report_progress")


def report_progress(connection: sqlite3.Connection, namespace: str, node: NodeRef, reports: Sequence[Progress]) -> None:
    check_fence(connection, namespace, node)  # guard R6: reporting progress takes the fence
    rows = [(each.execution_id, node.id, place_of(each), *msgspec.structs.astuple(each)[1:]) for each in reports]
    execute_rows(connection, _REPORT_PROGRESS, rows)


def read_progress(connection: sqlite3.Connection, namespace: str, id: str) -> list[Progress]:
    return [Progress(*row) for row in select_shown(connection, "progress", namespace=namespace, id=id)]
