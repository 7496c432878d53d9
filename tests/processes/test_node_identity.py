"""A node's identity belongs to one registration (R1): its id, its lock file, the page its workers read."""

from __future__ import annotations

import os
from pathlib import Path

from hydra.clock import LeasePage
from hydra.node.node import Node
from hydra.stores import open_store

FAR_NS = 1 << 62


class NoWorkers:
    """Nobody to tell of it."""

    def renew(self) -> None: ...


def test_r1_the_deadline_that_workers_of_before_read_ends_with_their_registration(tmp_path: Path) -> None:
    node = Node(open_store(f"sqlite:///{tmp_path}/hydra.db"), 10_000_000_000, 1, 1)
    node._workers = NoWorkers()  # type: ignore[assignment]
    assert node.page is not None and node.lock is not None
    before = LeasePage(os.dup(node.page.fd))
    node.page.set(FAR_NS, 0)
    assert before.may_start()
    id, lock = node.id, node.lock.path
    node._renew()
    assert not before.may_start()
    assert not node.page.may_start()
    assert (node.id == id, node.lock.path == lock) == (False, False)
    node.close()
    before.close()
