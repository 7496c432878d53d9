"""One damaged row parks its own execution; its node, its neighbours and every listing go on (G7)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import hydra
import psycopg
from hydra.execution import Status

from tests.processes.scene import Scene, until
from tests.servers.mysql import connect


def set_tags(url: str, id: str, tags: str) -> None:
    """Past hydra."""
    connection: Any
    table, key = "hydra_submission", "execution_id"
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
        literal = f"'{id}'"
    elif url.startswith("postgres"):
        connection = psycopg.connect(url)
        literal = f"'{id}'"
    else:
        connection = connect(url)
        table, key = "hydra_execution", "id"
        literal = f"x'{id.replace('-', '')}'"
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute(f"update {table} set tags = {tags} where {key} = {literal}")
        assert cursor.rowcount == 1
        connection.commit()


def test_g7_an_execution_whose_row_cannot_be_read_parks_alone(scene: Scene) -> None:
    damaged, *others = scene.engine.submit_many([hydra.named("small").bind()] * 5)
    set_tags(scene.url, damaged.id, "'[1]'")
    node = scene.start("large_app", workers=1)
    assert [other.result(timeout=60) for other in others] == ["small"] * 4
    until(lambda: damaged.status() == Status.PARKED)
    assert "its tags cannot be read" in damaged.execution().reason
    assert {each.id for each in scene.engine.executions()} == {damaged.id, *(other.id for other in others)}
    until(lambda: f"execution `{damaged.id}` (workflow `small`) is parked: its row in the database" in node.text())

    set_tags(scene.url, damaged.id, "null")
    damaged.resume()
    assert damaged.result(timeout=60) == "small"
