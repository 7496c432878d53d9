"""What a worker sent before it died is heard before its death (R22), in whatever order the loop learns of both."""

from __future__ import annotations

import os
import selectors
import subprocess
from functools import partial
from pathlib import Path
from random import Random

from hydra.dispatch.dispatcher import Dispatcher, NodeSettings
from hydra.dispatch.events import Received, WorkerEnding, WorkerGone
from hydra.execution import Record
from hydra.frames import Recorded, encode_from_worker, pack
from hydra.node.children import Children
from hydra.node.node import Node
from hydra.node.processes import AppSettings, Worker
from hydra.stores import open_store


def test_r22_what_a_dead_worker_still_sent_is_heard_before_its_death(tmp_path: Path) -> None:
    """Here its end is noticed first."""
    node = Node(open_store(f"sqlite:///{tmp_path}/hydra.db"), 10_000_000_000, 1, 1)
    node._dispatcher = Dispatcher(NodeSettings(1), 0, Random(1))
    settings = AppSettings("no_such_app", "default", 1, "console", f"sqlite:///{tmp_path}/hydra.db", 1, False)
    children = Children(node, settings, lambda manifest: None)
    worker = Worker(0, 1, children._zygotes.current)
    children._workers[0] = worker
    node.selector.register(worker.socket, selectors.EVENT_READ, partial(children._ready, worker))
    sent = [Recorded(7, [Record(seq, "step", "", "s", 1, 1, b"", b"x" * 50_000, 0, 0)]) for seq in (1, 2, 3)]
    process = subprocess.Popen(["true"], process_group=0)
    worker.pid, worker.pidfd = process.pid, os.pidfd_open(process.pid)
    node.selector.register(worker.pidfd, selectors.EVENT_READ, partial(children._ended, worker))
    try:
        for frame in sent:
            worker.theirs.sendall(pack(encode_from_worker([frame])))
        worker.theirs.close()
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        children._ended(worker)
        ending, heard, gone = node._events
        assert isinstance(ending, WorkerEnding) and isinstance(heard, Received) and isinstance(gone, WorkerGone)
        assert [frame.records[0].seq for frame in heard.frames if isinstance(frame, Recorded)] == [1, 2, 3]
        assert gone.reason.sentence == "exit code 0"
    finally:
        process.returncode = 0  # it was waited for
        children.stop()
        node.close()
