"""Fake hosts: one JSON file each, which says what runs there. Every change is whole or not at all.

A restarted host answers its health check after a moment; a release named in BROKEN never does.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

BOOT_SECONDS = 0.5
BROKEN = "2.1-broken"


@dataclass(frozen=True)
class Host:
    name: str
    release: str
    in_rotation: bool
    started_at: float


class Fleet:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, names: list[str], release: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            self._write(Host(name, release, in_rotation=True, started_at=0.0))

    def host(self, name: str) -> Host:
        return Host(**json.loads((self.folder / f"{name}.json").read_text()))

    def hosts(self) -> list[Host]:
        return [self.host(path.stem) for path in sorted(self.folder.glob("*.json"))]

    def take_out(self, name: str) -> None:
        self._write(replace(self.host(name), in_rotation=False))

    def put_back(self, name: str) -> None:
        self._write(replace(self.host(name), in_rotation=True))

    def restart(self, name: str, release: str) -> None:
        self._write(replace(self.host(name), release=release, started_at=time.time()))

    def is_healthy(self, name: str) -> bool:
        host = self.host(name)
        return host.release != BROKEN and time.time() - host.started_at > BOOT_SECONDS

    def _write(self, host: Host) -> None:
        draft = self.folder / f".{host.name}.{os.getpid()}.{threading.get_ident()}"
        draft.write_text(json.dumps(asdict(host)))
        draft.replace(self.folder / f"{host.name}.json")
