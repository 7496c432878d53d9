"""`hydra move` under a running program: a body stops in the middle here and goes on there."""

from __future__ import annotations

from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main

from tests.processes import moving_app
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until


@on_sqlite  # the pairs of stores are in tests/move
def test_g3_g5_a_body_in_its_sixth_step_goes_on_in_the_other_database(
    scene: Scene, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    target_url = request.getfixturevalue("postgres_url")
    node = scene.start("moving_app")
    handle = scene.engine.submit(moving_app.moving_ten.bind(scene.log, str(scene.gate)), key="ten")
    scene.first_note("step 5")
    until(lambda: len(handle.steps()) >= 5)

    refused = CliRunner().invoke(main, ["move", scene.url, target_url, "--lease-ttl", "60s"])
    assert refused.exit_code == 1
    assert "is at work in namespace `default`" in refused.output

    node.kill()
    node.wait()
    scene.gate.touch()
    done = CliRunner().invoke(main, ["move", scene.url, target_url, "--json"])
    assert done.exit_code == 0, done.output
    again = scene.start("moving_app")  # nobody goes on at the source
    assert again.wait() == 2
    assert again.text().count("takes nothing more: this database was moved to another database; use that one") == 1
    assert "Traceback" not in again.text()

    (tmp_path / "there").mkdir()
    there = Scene(tmp_path / "there", target_url)
    try:
        there.log = scene.log
        there.start("moving_app")
        with hydra.Engine(target_url) as engine:
            assert engine.get(handle.id).result(timeout=60) == list(range(10))
            assert engine.audit() == []
    finally:
        there.close()
    counts = scene.counts()
    assert {number: counts[f"step {number}"] for number in range(10) if number != 5} == {
        number: 1 for number in range(10) if number != 5
    }
    assert counts["step 5"] == 2  # it was under way when its node was killed
