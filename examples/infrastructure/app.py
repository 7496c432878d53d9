"""A rolling restart: one host at a time out of rotation, restarted, watched until healthy, back in. Or rolled back.

    for each host:  drain ─► restart ─► healthy? ─┬─ yes ─► back in rotation ─► next host
                                 ▲   no, sleep ───┘
                                 └─ never healthy: restart every touched host with its old release

The waits are `hydra.sleep`: a rollout that waits is a row in the database, and goes on after any crash where it stood.
Every step may run again after a crash, so every step says what shall be, not what to change.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import hydra
from hosts import Fleet

CHECK_COUNT = 6
CHECK_PAUSE = timedelta(milliseconds=400)


class Unhealthy(Exception):
    """A host did not come up."""


@dataclass(frozen=True)
class Rollout:
    release: str
    updated: list[str]
    rolled_back: list[str]
    reason: str | None = None


@hydra.step(max_attempts=3)
def drain(name: str) -> str:
    """Take the host out of rotation; the release that ran there until now."""
    fleet().take_out(name)
    return fleet().host(name).release


@hydra.step(max_attempts=3)
def restart(name: str, release: str) -> None:
    fleet().restart(name, release)


@hydra.step(max_attempts=3)
def is_healthy(name: str) -> bool:
    return fleet().is_healthy(name)


@hydra.step(max_attempts=3)
def put_back(name: str) -> None:
    fleet().put_back(name)


@hydra.workflow
def rolling_restart(release: str, names: list[str]) -> Rollout:
    before: dict[str, str] = {}
    try:
        for name in names:
            before[name] = drain(name)
            bring_up(name, release)
    except Unhealthy as error:
        for name in reversed(before):
            drain(name)
            bring_up(name, before[name])
        return Rollout(release, updated=[], rolled_back=list(before), reason=str(error))
    return Rollout(release, updated=names, rolled_back=[])


def bring_up(name: str, release: str) -> None:
    """Part of the workflow's body: restart, wait until the host is healthy, put it back."""
    restart(name, release)
    for _ in range(CHECK_COUNT):
        hydra.sleep(CHECK_PAUSE)
        if is_healthy(name):
            put_back(name)
            return
    raise Unhealthy(f"`{name}` did not become healthy with release {release}")


def fleet() -> Fleet:
    return Fleet(Path(os.environ["FLEET_FOLDER"]))
