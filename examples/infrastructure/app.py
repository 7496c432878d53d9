"""A rolling restart in waves: some hosts at once out of rotation, restarted, watched until healthy, back in. Or undone.

    for each wave:  look ─► drain ─► restart ─► healthy? ─┬─ all ─► back in rotation ─► next wave
                    (its hosts in parallel)   ▲ no, sleep ┘
                                              └─ never: it fails; every touched host is restored, newest first

The waits are `hydra.sleep`: a rollout that waits is a row in the database, and goes on after any crash where it stood.
Every step may run again after a crash, so every step says what shall be, not what to change.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import hydra
from hosts import Fleet

CHECK_COUNT = 6
HOSTS_AT_ONCE = 4  # whatever the size of a wave
CHECK_PAUSE = timedelta(milliseconds=400)


class Unhealthy(Exception):
    """A host did not come up."""


@dataclass(frozen=True)
class Rollout:
    release: str
    waves: list[list[str]]


@hydra.step(max_attempts=3)
def running_release(name: str) -> str:
    return fleet().host(name).release


@hydra.step(max_attempts=3)
def drain(name: str) -> None:
    fleet().take_out(name)


@hydra.step(max_attempts=3)
def restart(name: str, release: str) -> None:
    fleet().restart(name, release)


@hydra.step(max_attempts=3)
def is_healthy(name: str) -> bool:
    return fleet().is_healthy(name)


@hydra.step(max_attempts=3)
def put_back(name: str) -> None:
    fleet().put_back(name)


@hydra.step(max_attempts=10, backoff=hydra.Backoff(initial=0.3, maximum=1.0), retry_on=(Unhealthy,))
def restore(name: str, release: str) -> None:
    """Undo: the release the host had, and in rotation once that is healthy. A host that has it is left alone."""
    if fleet().host(name).release != release:
        fleet().take_out(name)
        fleet().restart(name, release)
    if not fleet().is_healthy(name):
        raise Unhealthy(f"`{name}` is not healthy with release {release} yet")
    fleet().put_back(name)


@hydra.workflow
def rolling_restart(release: str, names: list[str], wave_size: int = 2) -> Rollout:
    waves = [names[start : start + wave_size] for start in range(0, len(names), wave_size)]
    for wave in waves:
        releases = in_parallel(*(running_release.bind(name) for name in wave))
        for name, before in zip(wave, releases, strict=True):
            hydra.on_failure(restore.bind(name, before))
        in_parallel(*(drain.bind(name) for name in wave))
        in_parallel(*(restart.bind(name, release) for name in wave))
        wait_until_healthy(wave, release)
        in_parallel(*(put_back.bind(name) for name in wave))
    return Rollout(release, waves)


def wait_until_healthy(wave: list[str], release: str) -> None:
    """Part of the workflow's body, like every function it calls that is no step."""
    for _ in range(CHECK_COUNT):
        hydra.sleep(CHECK_PAUSE)
        if all(in_parallel(*(is_healthy.bind(name) for name in wave))):
            return
    raise Unhealthy(f"{', '.join(wave)} did not become healthy with release {release}")


def in_parallel(*steps: Any) -> tuple[Any, ...]:
    return hydra.gather(*steps, concurrency=HOSTS_AT_ONCE)


def fleet() -> Fleet:
    return Fleet(Path(os.environ["FLEET_FOLDER"]))
