"""The data folders that new servers begin with, each made once in a checkout: to make one takes half a second."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

KEPT = Path(__file__).resolve().parents[2] / "target" / "new-servers"


def fill(folder: Path, program: Path, arguments: Sequence[str], make: Callable[[], None]) -> None:
    """With what `make` puts there, or a copy of what it did before for this user, program and arguments."""
    what = f"{os.geteuid()} {program} {program.stat().st_mtime_ns} {arguments}"
    kept = KEPT / hashlib.sha256(what.encode()).hexdigest()[:16]
    if kept.exists():
        _copy(kept, folder)
        return
    make()
    KEPT.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=KEPT))
    _copy(folder, part / "data")
    with contextlib.suppress(OSError):  # somebody else was quicker
        (part / "data").rename(kept)
    shutil.rmtree(part, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", source, target], check=True)  # of its owner, too
