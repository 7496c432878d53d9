"""A key that cools down over nodes that die: everybody knows, nobody forgets."""

from __future__ import annotations

from pathlib import Path

import hydra

from tests.processes import cooling_app
from tests.processes.scene import Scene, until


def test_r29_a_key_cools_down_on_all_nodes_whoever_dies(scene: Scene, tmp_path: Path) -> None:
    busy = tmp_path / "provider-stripe"
    busy.touch()
    environment = {cooling_app.FILE: str(tmp_path / "provider")}
    nodes = [scene.start("cooling_app", environment=environment) for _ in range(2)]
    told = scene.engine.submit(cooling_app.pay_cooled.bind("stripe"))
    until(lambda: told.status() == hydra.Status.SLEEPING)
    waiting = scene.engine.submit_many([cooling_app.pay_cooled.bind("stripe") for _ in range(5)])
    going_on = scene.engine.submit_many([cooling_app.pay_cooled.bind("adyen") for _ in range(5)])
    assert [handle.result(timeout=60) for handle in going_on] == ["adyen"] * 5
    for node in nodes:
        node.kill()
        node.wait()
    scene.start("cooling_app", environment=environment)
    assert scene.engine.submit(cooling_app.pay_cooled.bind("adyen")).result(timeout=60) == "adyen"
    assert {handle.status() for handle in waiting} == {hydra.Status.PENDING}
    assert "step `call_cooled`: 429" in scene.engine.why(waiting[0].id).sentence
    busy.unlink()
    for name in ("pay_cooled.provider", "pay_cooled.provider.rate"):
        assert scene.engine.resume_limit(name, "stripe")
    assert [handle.result(timeout=60) for handle in waiting] == ["stripe"] * 5
    assert told.status() == hydra.Status.SLEEPING
    assert len(told.attempts()) == 1
