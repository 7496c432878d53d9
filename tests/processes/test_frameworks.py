"""Connections that frameworks keep, whose server ends them under the worker."""

from __future__ import annotations

from pathlib import Path

import hydra
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.processes.scene import Node, Scene, until

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("url", ["postgres"], indirect=True)]

DJANGO = """
import os
import django
from django.conf import settings

settings.configure(DATABASES={{"default": {{
    "ENGINE": "django.db.backends.postgresql",
    "NAME": {dbname!r}, "USER": {user!r}, "HOST": {host!r}, "PORT": {port!r},
    "CONN_MAX_AGE": None,
    "CONN_HEALTH_CHECKS": {checks!r},
    "OPTIONS": {{"application_name": "shop"}},
}}}})
django.setup()
import hydra
{contrib}
from django.db import connection

connection.ensure_connection()  # at import: no worker may use this one

@hydra.step(max_attempts=2, backoff=hydra.Backoff(initial=0.01), inline={inline!r})
def ask() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        return cursor.fetchone()[0]

@hydra.workflow
def query() -> int:
    return ask()

@hydra.workflow
def queries() -> list[int]:
    return list(hydra.gather(*[ask.bind() for _ in range(8)]))
"""
SQLALCHEMY = """
import hydra
from sqlalchemy import Engine, create_engine, text

def new_engine() -> Engine:
    return create_engine({url!r}, pool_pre_ping=True, connect_args={{"application_name": "shop"}})

{recipe}

@hydra.step
def ask() -> int:
    with engine.connect() as connection:
        return connection.execute(text("select pg_backend_pid()")).scalar_one()

@hydra.workflow
def query() -> int:
    return ask()

@hydra.workflow
def queries() -> list[int]:
    return list(hydra.gather(*[ask.bind() for _ in range(8)]))
"""
OPENED_AFTER_THE_FORK = """
engine: Engine

@hydra.on_worker_start
def open_engine() -> None:
    global engine
    engine = new_engine()

@hydra.on_worker_stop
def close_engine() -> None:
    engine.dispose()
"""
OPENED_AT_IMPORT = """
engine = new_engine()
with engine.connect():
    pass  # such as reflection

@hydra.on_worker_start
def leave_the_parents_connections() -> None:
    engine.dispose(close=False)
"""


def sessions(url: str) -> set[int]:
    with psycopg.connect(url, autocommit=True) as connection:
        return {
            pid for (pid,) in connection.execute("select pid from pg_stat_activity where application_name = 'shop'")
        }


def end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'shop'"
        ).fetchall()
    until(lambda: not sessions(url))


def start_django(
    scene: Scene, *, checks: bool = True, inline: bool = False, contrib: str = "import hydra.contrib.django"
) -> Node:
    place = {"port": "", **conninfo_to_dict(scene.url)}
    known = {name: str(place.get(name) or "") for name in ("dbname", "user", "host", "port")}
    source = DJANGO.format(**known, checks=checks, inline=inline, contrib=contrib)
    Path(scene.folder, "shop.py").write_text(source)
    return scene.start("shop", folder=scene.folder, workers=2)


def ask(scene: Scene, count: int = 1) -> list[int]:
    handles = [scene.engine.submit(hydra.named("query").bind()) for _ in range(count)]
    return [handle.result(timeout=30) for handle in handles]


@pytest.mark.parametrize("inline", [False, True], ids=["on threads", "inline"])
def test_django_goes_on_after_its_server_ended_its_sessions(scene: Scene, inline: bool) -> None:
    start_django(scene, inline=inline)
    for _ in range(3):
        before = set(ask(scene, 8)) | set(scene.engine.submit(hydra.named("queries").bind()).result(timeout=30))
        end_sessions(scene.url)
        assert before.isdisjoint(ask(scene, 8)), "the next step has a new session, at its first try"
    tries = [
        step.attempts for execution in scene.engine.executions() for step in scene.engine.get(execution.id).steps()
    ]
    assert set(tries) == {1}


def test_django_without_health_checks_loses_one_try_of_each_connection_and_goes_on(scene: Scene) -> None:
    start_django(scene, checks=False)
    ask(scene)
    end_sessions(scene.url)
    assert ask(scene, 4)


def test_djangos_connections_are_shared_by_no_two_workers(scene: Scene) -> None:
    node = start_django(scene)
    until(lambda: "opens connections while it is imported" in node.text())
    imported = sessions(scene.url)
    assert imported.isdisjoint(ask(scene, 16))


@pytest.mark.parametrize("recipe", [OPENED_AFTER_THE_FORK, OPENED_AT_IMPORT], ids=["after the fork", "at import"])
def test_an_sqlalchemy_pool_goes_on_after_its_server_ended_its_sessions(scene: Scene, recipe: str) -> None:
    url = scene.url.replace("postgresql://", "postgresql+psycopg://", 1)
    Path(scene.folder, "shop.py").write_text(SQLALCHEMY.format(url=url, recipe=recipe))
    node = scene.start("shop", folder=scene.folder, workers=2)
    for _ in range(3):
        before = set(ask(scene, 8)) | set(scene.engine.submit(hydra.named("queries").bind()).result(timeout=30))
        end_sessions(scene.url)
        assert before.isdisjoint(ask(scene, 8))
    assert node.stop() == 0
