"""How much memory a process takes, by the kernel's own figures. Decides nothing."""

from __future__ import annotations

import os
from contextlib import suppress

from hydra.errors import ConfigError

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """What of it lies in memory, shared pages included; 0 of a process that is gone."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * PAGE_BYTES
    return 0


def check_limit(limit_bytes: int, import_pid: int, module: str) -> None:
    """A limit that a worker is above before it does anything would only have it replaced again and again."""
    taken = resident_bytes(import_pid)
    if not resident_bytes(os.getpid()):
        raise ConfigError("`--worker-memory` needs `/proc`, which this system does not have; leave the option out")
    if taken >= limit_bytes:
        raise ConfigError(
            f"app `{module}` takes {taken >> 20} MiB once it is imported, and `--worker-memory` allows a worker "
            f"{limit_bytes >> 20} MiB; allow more"
        )
