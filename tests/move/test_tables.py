"""No table is forgotten: what a store has is moved, or said not to be."""

from __future__ import annotations

import hydra
import pytest
from hydra.errors import SchemaError
from hydra.move.opening import open_side
from hydra.move.tables import NOT_MOVED, OF_EXECUTIONS, OF_NAMESPACES, forgotten


def test_every_table_and_column_of_each_store_is_moved_or_said_not_to_be(url: str) -> None:
    side = open_side(url, may_migrate=True)
    tables, known = side.tables(), side.known()
    side.close()
    assert forgotten(tables, known) == []
    assert {name for name in known if name not in tables} == set()  # nothing is moved that is not there
    assert {table.name for table in (*OF_EXECUTIONS, *OF_NAMESPACES)} <= set(tables)
    assert not set(NOT_MOVED) & set(known)


@pytest.mark.fresh_database
def test_a_table_that_a_later_hydra_adds_is_refused_and_not_left_behind(url: str) -> None:
    with hydra.Engine(url) as engine:
        engine.audit()
    side = open_side(url, may_migrate=False)
    side.run("create table hydra_parcel (id integer)")
    side.run("alter table hydra_record add column weight integer")
    side.close()
    with pytest.raises(SchemaError, match=r"has `hydra_parcel`, `hydra_record\.weight`, which this hydra cannot move"):
        open_side(url, may_migrate=False)
