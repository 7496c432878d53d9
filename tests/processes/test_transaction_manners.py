"""What a transaction must not do with its connection, and what it may: nothing of it reaches the next one."""

from __future__ import annotations

from typing import Any

import hydra
import psycopg
import pymysql
import pytest


def dialect_of(db: Any) -> str:
    """The driver's name; the connection is of a class of hydra's derived from the driver's."""
    return next(kind.__module__.partition(".")[0] for kind in type(db).mro() if not kind.__module__.startswith("hydra"))


@hydra.transaction
def close_connection(db: Any) -> str:
    db.close()
    return "closed"


@hydra.transaction
def look_around(db: Any) -> list[str]:
    """How rows come, and two settings of the session."""
    cursor = db.cursor()
    if dialect_of(db) == "psycopg":
        cursor.execute("select current_setting('timezone'), current_setting('search_path')")
    elif dialect_of(db) == "pymysql":
        cursor.execute("select @@sql_mode, @@time_zone")
    else:
        cursor.execute("select 'text', 1")
    row = cursor.fetchone()
    return [type(row).__name__, *(map(str, row) if isinstance(row, tuple) else map(repr, row))]


@hydra.transaction
def make_itself_at_home(db: Any) -> None:
    if dialect_of(db) == "psycopg":
        db.row_factory = psycopg.rows.dict_row
        db.execute("set time zone 'Asia/Tokyo'")
        db.execute("set search_path to public")
    elif dialect_of(db) == "pymysql":
        db.cursorclass = pymysql.cursors.DictCursor
        db.cursor().execute("set session sql_mode = '', time_zone = '+09:00'")
    else:
        db.row_factory, db.text_factory = dict_of, bytes


def dict_of(cursor: Any, row: tuple[Any, ...]) -> dict[Any, Any]:
    return dict(enumerate(row))


@hydra.transaction
def move_elsewhere(db: Any) -> None:
    """To where hydra's tables are not: its record is written all the same."""
    if dialect_of(db) == "psycopg":
        db.execute("set search_path to pg_catalog")
    elif dialect_of(db) == "pymysql":
        db.cursor().execute("use mysql")
    else:
        db.execute("pragma query_only = on")


@hydra.workflow
def manners_close() -> str:
    return close_connection()


@hydra.workflow
def manners_look() -> list[str]:
    return look_around()


@hydra.workflow
def manners_settle() -> None:
    make_itself_at_home()


@hydra.workflow
def manners_move() -> None:
    move_elsewhere()


@pytest.fixture
def engine(url: str) -> Any:
    with hydra.Engine(url) as engine:
        with engine.worker():
            yield engine
        assert engine.audit() == []


def run(engine: hydra.Engine, workflow: Any) -> Any:
    return engine.submit(workflow.bind()).result(timeout=60)


def test_g6_a_function_that_closes_its_connection_fails_for_good_and_holds_up_nobody(engine: hydra.Engine) -> None:
    first = run(engine, manners_look)
    for _ in range(3):
        with pytest.raises(hydra.WorkflowFailed, match="must not close the connection"):
            run(engine, manners_close)
        assert run(engine, manners_look) == first


@pytest.mark.parametrize("workflow", [manners_settle, manners_move])
def test_what_a_function_sets_does_not_reach_the_next_one(engine: hydra.Engine, workflow: Any) -> None:
    first = run(engine, manners_look)
    for _ in range(3):
        run(engine, workflow)
        assert run(engine, manners_look) == first
