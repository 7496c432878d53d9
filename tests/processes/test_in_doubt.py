"""G4: kill -9 of the worker and of the supervisor between start, effect and outcome of a step with a lookup."""

from __future__ import annotations

import pytest

from tests.processes import apps
from tests.processes.scene import Scene, until

WORKER_POINTS = [
    "before record sent",
    "record sent",
    "record durable",
    "before payment",
    "after payment",
    "before finish sent",
    "finish sent",
]
SUPERVISOR_POINTS = [
    "before record commit",
    "inside record commit",
    "after record commit",
    "before finish commit",
    "after finish commit",
]
POINTS = [f"worker:{point}" for point in WORKER_POINTS]
POINTS += [f"supervisor:{point}" for point in ("before payment", "after payment", *SUPERVISOR_POINTS)]


@pytest.mark.parametrize("point", POINTS)
def test_g4_killed_anywhere_it_pays_exactly_once(scene: Scene, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_TEST_LEDGER", scene.log)
    scene.start(kill=point)
    handle = scene.engine.submit(apps.pays_once.bind(scene.log))
    if point.startswith("supervisor"):
        until(scene.mark.exists)
        scene.start()
    assert handle.result(timeout=60) == "paid"
    assert scene.mark.exists()
    assert [note.word for note in scene.notes()] == ["paid"]
    kinds = [record.kind for record in handle.records() if record.kind != "crash"]
    assert kinds == ["start", "step"]
