"""One database, the supervisors on it, and what happened to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import hydra
import msgspec
from hydra.node.supervisor import SupervisorSettings

from tests.processes import kills
from tests.support.warm import Forked, warm_process

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60.0

T = TypeVar("T")


class Note(NamedTuple):
    word: str
    key: str
    worker: int
    supervisor: int


class Node:
    """A supervisor process."""

    def __init__(
        self,
        settings: SupervisorSettings,
        log: Path,
        environment: dict[str, str],
        folder: Path,
        prefix: Sequence[str] = (),
    ) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | Forked
        encoded = msgspec.json.encode(settings).decode()
        whole = {**os.environ, **environment}
        with open(log, "ab") as stream, open(os.devnull) as nothing:
            if not prefix and warm_process().can_start(whole):
                streams = [nothing.fileno(), stream.fileno(), stream.fileno()]
                self.process = warm_process().start([encoded], streams, folder, whole)
            else:
                self.process = subprocess.Popen(
                    [*prefix, sys.executable, "-m", "tests.processes.launch", encoded],
                    cwd=folder,
                    stdout=stream,
                    stderr=stream,
                    env=whole,
                    start_new_session=True,
                )
        self.pid = self.process.pid

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(WAIT_SECONDS)

    def stop(self) -> int:
        """Drain."""
        self.kill(signal.SIGTERM)
        return self.wait()

    def text(self) -> str:
        return self.log.read_text()

    def children(self) -> list[int]:
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []


class Scene:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.engine = hydra.Engine(self.url)
        self.log = str(folder / "notes")
        self.gate = folder / "gate"
        self.mark = folder / "mark"
        self.nodes: list[Node] = []

    def start(
        self,
        module: str = "apps",
        *,
        kill: str = "",
        folder: Path | None = None,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Node:
        """`module` is one of this package, or one in `folder`; `prefix` runs it elsewhere: on another host."""
        chosen: dict[str, Any] = {
            "url": self.url,
            "workers": 1,
            "concurrency": 16,
            "lease_ttl_seconds": 2.0,
            **settings,
        }
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        own = {kills.MARK: str(self.mark), "PYTHONPATH": path, **(environment or {})}
        if kill:
            own[kills.POINT] = kill
        log = self.folder / f"supervisor-{len(self.nodes)}.log"
        name = module if folder else f"tests.processes.{module}"
        node = Node(SupervisorSettings(module=name, **chosen), log, own, folder or ROOT, prefix)
        self.nodes.append(node)
        return node

    def notes(self) -> list[Note]:
        if not os.path.exists(self.log):
            return []
        whole = Path(self.log).read_text().rpartition("\n")[0]  # a line may still be under way
        lines = [line.split("\t") for line in whole.splitlines()]
        return [Note(word, key, int(worker), int(supervisor)) for word, key, worker, supervisor in lines]

    def counts(self) -> Counter[str]:
        """How often each effect happened, by its idempotency key; every name has one key."""
        keys: dict[str, set[str]] = {}
        for note in self.notes():
            keys.setdefault(note.word, set()).add(note.key)
        assert all(len(own) == 1 for own in keys.values()), keys
        return Counter(note.word for note in self.notes())

    def first_note(self, word: str = "hold", count: int = 1) -> Note:
        """The last of the first `count` of them, as soon as there are so many."""
        return until(lambda: [note for note in self.notes() if note.word == word][count - 1 : count])[0]

    def close(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.kill(signal.SIGCONT)
                node.kill(signal.SIGKILL)
                node.wait()
        self.engine.close()
        for node in self.nodes:
            print(f"--- {node.log.name}\n{node.text()}")


def until(condition: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """Its first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("what the test waits for did not happen")
        time.sleep(0.005)
    return value


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
