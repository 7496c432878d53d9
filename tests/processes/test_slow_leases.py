"""A database whose replies take a good part of the lease: the node keeps it, all the while, and the work is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.stores import open_store

from tests.processes.slow_lease import keep
from tests.processes.test_slow_databases import SlowServer
from tests.servers.slow_proxy import at_once

# Of the lease, one of which a reply takes: far enough from the limits (5 and 12) for a busy machine to have its delays.
PARTS = {"postgres": 8, "mysql": 18}


@pytest.mark.parametrize("url", PARTS, indirect=True)
def test_r5_a_node_keeps_its_lease_on_a_slow_database_and_gets_its_work_done(
    url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A beat goes alone and first, whatever else there is to do, and costs one reply."""
    slow = SlowServer(url, tmp_path, request)
    try:
        lapses = keep(
            url, slow.url, slow.proxy, PARTS["postgres" if url.startswith("postgres") else "mysql"], executions=6
        )
    finally:
        slow.proxy.delay = at_once
        slow.proxy.close()
    assert lapses.extended_count > 5
    assert lapses.count == 0
    assert open_store(url, "default").audit() == []
