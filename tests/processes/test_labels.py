"""Groups of workers: an execution, its children and its hand-overs stay on nodes that have its labels."""

from __future__ import annotations

import hydra
import pytest
from hydra.errors import ConfigError

from tests.processes import labels_app
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until


def test_a_parent_and_its_child_run_on_the_nodes_that_their_labels_name(scene: Scene) -> None:
    with scene.engine.worker(only=["order*"]):
        handle = scene.engine.submit(labels_app.order.bind(7))
        until(lambda: scene.engine.stats().unserved_labels == {"gpu": 1})
        assert scene.engine.stats().unclaimed == {"train": 1}
        with scene.engine.worker(only=["train"], labels=["eu", "gpu"]):
            assert handle.result(timeout=30) == 49
    nodes = {node.info.id: node.info.labels for node in scene.engine.nodes()}
    (child,) = scene.engine.executions(workflow="train")
    assert {nodes[attempt.node] for attempt in handle.attempts()} == {()}
    assert {nodes[attempt.node] for attempt in scene.engine.get(child.id).attempts()} == {("eu", "gpu")}


@on_sqlite  # the same on every database
def test_a_supervisor_serves_what_it_was_told_and_refuses_a_name_that_its_app_does_not_have(scene: Scene) -> None:
    node = scene.start("labels_app", only=["order", "refund"])
    assert node.wait() == 2
    assert (
        "error: `only` names workflow `refund`, which app `tests.processes.labels_app` does not define" in node.text()
    )
    node = scene.start("labels_app", only=["tr*"], labels=["gpu"])
    assert scene.engine.submit(hydra.named("train").bind(3)).result(timeout=30) == 9
    waits = scene.engine.submit(labels_app.order.bind(1))
    until(lambda: scene.engine.stats().unclaimed == {"order": 1})
    assert node.stop() == 0
    assert waits.status() == "pending"


@on_sqlite  # nothing is asked of the database
def test_options_of_a_local_worker_that_cannot_be_are_refused(scene: Scene) -> None:
    with pytest.raises(ConfigError, match="`only` names workflow `refunds`, which this program does not define"):
        scene.engine.worker(only=["refunds"]).start()
    with pytest.raises(ConfigError, match="`labels` must be a list of texts"):
        scene.engine.worker(labels="gpu")
    with pytest.raises(ConfigError, match="`g pu` is not a label"):
        scene.engine.worker(labels=["g pu"])
    with pytest.raises(ConfigError, match="`only` must be a list of workflows' names"):
        scene.engine.worker(only="bill")
