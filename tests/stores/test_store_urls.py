"""URLs as other programs have them: with SQLAlchemy's driver, or with the short scheme."""

from __future__ import annotations

import hydra
import pytest
from hydra.stores import absolute, open_store


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgresql+psycopg://me:secret@host/db", "postgresql://me@host/db"),
        ("postgresql+psycopg2://me@host:5433/db", "postgresql://me@host:5433/db"),
        ("postgresql+asyncpg://host/db", "postgresql://host/db"),
        ("postgres://host/db", "postgres://host/db"),
        ("POSTGRESQL://host/db", "postgresql://host/db"),
        ("mysql+pymysql://me:secret@host/db", "mysql://me@host/db"),
        ("mariadb+mysqldb://me@host/db", "mariadb://me@host/db"),
        ("sqlite+pysqlite:////tmp/hydra.db", "sqlite:////tmp/hydra.db"),
    ],
)
def test_a_url_that_names_a_driver_is_understood_and_shown_without_it(given: str, meant: str) -> None:
    assert open_store(given).url == meant
    assert absolute(given) == given.replace(given.partition("://")[0], meant.partition("://")[0])


@pytest.mark.parametrize(
    ("fixture", "schemes"), [("postgres_url", ["postgresql+psycopg", "postgres"]), ("mysql_url", ["mysql+pymysql"])]
)
def test_an_engine_of_such_a_url_works(fixture: str, schemes: list[str], request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(fixture)
    for scheme in schemes:
        with hydra.Engine(scheme + "://" + url.partition("://")[2]) as engine:
            engine.submit(hydra.named("far").bind())
            assert engine.executions()


def test_a_scheme_nobody_knows_is_one_sentence() -> None:
    with pytest.raises(hydra.ConfigError, match="is not a database URL hydra knows"):
        open_store("oracle+cx://host/db")
