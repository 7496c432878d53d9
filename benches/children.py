"""Processes that a benchmark starts. They end with it, even where it is killed: the kernel sends them SIGTERM."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

END_SECONDS = 30.0


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """The signal comes when the thread that called this ends, so call it on one that lasts, such as the main one."""
    return subprocess.Popen(["setpriv", "--pdeathsig=TERM", "--", *command], **options)


def python(script: Path | str, *arguments: str) -> list[str]:
    return [sys.executable, str(script), *arguments]


def end(*children: subprocess.Popen[bytes]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
