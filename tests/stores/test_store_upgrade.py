"""A rolling upgrade by one step: code of the version before works on beside it, or refuses clearly (R27)."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from hydra.errors import SchemaError
from hydra.stores import open_store, upgrades
from hydra.stores.mysql import schema as mysql_schema
from hydra.stores.postgres import schema as postgres_schema
from hydra.stores.sqlite import schema as sqlite_schema
from hydra.stores.store import Store

from tests.stores.store_values import end, record, register, running, status, submit, take, write

pytestmark = pytest.mark.fresh_database

SCHEMAS: dict[str, ModuleType] = {"sqlite": sqlite_schema, "postgresql": postgres_schema, "mysql": mysql_schema}
ADDITIVE = "-- additive: a table that code of the version before does not know.\ncreate table hydra_new (id integer);\n"
OTHER = "-- What code of the version before would stumble over.\ncreate table hydra_new (id integer);\n"


@pytest.fixture
def upgrade(url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """From now on, this code knows one migration more than the code so far."""

    def know(script: str) -> None:
        schema = SCHEMAS[url.partition(":")[0]]
        next_version = schema.newest_version() + 1
        known = schema.migrations()
        if schema is mysql_schema:
            texts = schema.scripts()
            monkeypatch.setattr(schema, "scripts", lambda: {**texts, next_version: script})
        else:
            step = script.encode() if schema is postgres_schema else [script]
            monkeypatch.setattr(schema, "migrations", lambda: [*known, (next_version, step)])

    return know


def test_r27_the_version_before_works_on_beside_an_additive_step(
    url: str, upgrade: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = open_store(url)
    old.open()
    node = register(old)
    claimed = running(old, node)
    with monkeypatch.context():
        upgrade(ADDITIVE)
        newer = open_store(url)
        newer.open()
        (id,) = submit(newer)
    monkeypatch.undo()
    assert write(old, node, claimed, record(1))
    assert end(old, node, claimed, "completed", payload=b"")
    old.close()

    again = open_store(url)
    again.open()
    assert again.migrate()[0] == again.migrate()[1], "it does not take the step back"
    other = register(again)
    (taken,) = take(again, other)
    assert taken.id == id
    assert end(again, other, taken, "completed", payload=b"")
    assert status(newer, id) == "completed"
    assert newer.audit() == []
    newer.close()
    again.close()


def test_r27_the_version_before_refuses_a_step_it_would_stumble_over(
    url: str, upgrade: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_and_close(url)
    upgrade(OTHER)
    with pytest.raises(SchemaError, match="hydra migrate"):
        open_store(url).open()
    before, after = open_store(url).migrate()
    assert after == before + 1
    open_and_close(url)
    monkeypatch.undo()
    for refused in (lambda: open_store(url).open(), lambda: open_store(url).migrate()):
        with pytest.raises(SchemaError, match="install the newer hydra"):
            refused()


def test_r27_an_empty_database_takes_every_step(url: str, upgrade: Callable[[str], None]) -> None:
    upgrade(OTHER)
    open_and_close(url)


def test_r27_an_additive_step_after_another_one_needs_code_that_knows_the_other() -> None:
    tables = upgrades.TablesVersion(newest=5, needed=4)
    upgrades.refuse_newer(tables, 4, "here")
    assert upgrades.is_current(tables, 4)
    assert not upgrades.is_current(tables, 6)
    with pytest.raises(SchemaError, match="version 4, this hydra knows 3"):
        upgrades.refuse_newer(tables, 3, "here")


def open_and_close(url: str) -> None:
    store: Store = open_store(url)
    store.open()
    store.close()
