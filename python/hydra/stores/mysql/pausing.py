"""What a person stops, and lets go on.

A claim takes its node's row before it looks, and each of its statements reads what was committed by then. So a pause is
committed, and then each living node's row is taken, by itself: who had it before is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hydra.stores.acts import Act
from hydra.stores.mysql.acts import add_acts
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.statements import Word, id_literal, literal, row
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rows import shown, to_pause

EVERYBODY = 1 << 16  # a hint of so much work is for every node


def read_pauses(reading: Reading) -> list[Pause]:
    return [
        to_pause((kind, shown(name), paused_at, shown(paused_by), shown(reason)))
        for kind, name, paused_at, paused_by, reason in reading.select("pauses")
    ]


def pause(transaction: Transaction, pause: Pause, acts: Sequence[Act] = ()) -> None:
    values = row(str(pause.kind), pause.name, pause.paused_at, pause.paused_by, pause.reason)[1:-1]
    add_acts(transaction, acts)
    transaction.execute("pause", row=f"({transaction.namespace}, {values})")


def bar_claims(database: Database, node_ids: Iterable[str]) -> None:
    """Outside of any transaction: each row is held by itself, since a node may share several."""
    for node_id in node_ids:
        database.write(_bar, node_id)


def _bar(transaction: Transaction, node_id: str) -> None:
    transaction.select("bar_claims", node=id_literal(node_id))


def unpause(transaction: Transaction, kind: PauseKind, name: str) -> bool:
    is_gone = transaction.execute("unpause", kind=f"'{Word(kind)}'", paused=literal(name)) > 0
    if is_gone and kind != PauseKind.NODE:
        transaction.due_count += EVERYBODY
    return is_gone
