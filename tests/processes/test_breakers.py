"""A breaker of steps over nodes that die: what waits for it is not lost, and goes on when the other side is up."""

from __future__ import annotations

from pathlib import Path

import hydra

from tests.processes import breaker_app
from tests.processes.scene import Scene, until


def test_g7_executions_wait_for_a_bank_that_is_down_whoever_dies_and_go_on_when_it_is_up(
    scene: Scene, tmp_path: Path
) -> None:
    bank = tmp_path / "bank"
    bank.touch()
    environment = {breaker_app.FILE: str(bank)}
    nodes = [scene.start("breaker_app", environment=environment) for _ in range(2)]
    handles = scene.engine.submit_many([breaker_app.pay_bank.bind(number) for number in range(20)])
    until(lambda: [circuit.name for circuit in scene.engine.circuits()] == ["bank"])
    nodes[0].kill()
    nodes[0].wait()
    late = scene.engine.submit(breaker_app.pay_bank.bind(20))
    until(lambda: late.status() == hydra.Status.SLEEPING)
    assert {handle.status() for handle in handles} <= {
        hydra.Status.SLEEPING,
        hydra.Status.PENDING,
        hydra.Status.RUNNING,
    }
    assert "the breaker `bank` is open, and its steps wait: " in "".join(node.text() for node in nodes)
    bank.unlink()
    assert [handle.result(timeout=120) for handle in (*handles, late)] == list(range(21))
    assert scene.engine.audit() == []


def test_r29_steps_with_a_breaker_and_limits_hold_no_place_while_it_is_open_whoever_dies(
    scene: Scene, tmp_path: Path
) -> None:
    bank = tmp_path / "bank"
    bank.touch()
    nodes = [scene.start("breaker_app", environment={breaker_app.FILE: str(bank)}) for _ in range(2)]
    handles = scene.engine.submit_many([breaker_app.pay_bank_in_line.bind(number) for number in range(12)])
    until(lambda: [circuit.name for circuit in scene.engine.circuits()] == ["bank"])
    nodes[0].kill()
    nodes[0].wait()

    def sleep_for_it() -> bool:
        steps = scene.engine.executions(workflow="hydra.step:call_bank_in_line", status=hydra.Status.SLEEPING)
        return len(list(steps)) > 5  # there are two places: who held one while it sleeps would let two sleep

    until(sleep_for_it)
    bank.unlink()
    assert [handle.result(timeout=120) for handle in handles] == list(range(12))
    assert [(key.held, key.waiting) for key in scene.engine.limit_keys("bank_queue")] == [(0, 0)]
    assert scene.engine.audit() == []
