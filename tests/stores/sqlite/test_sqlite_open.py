"""Opening a SQLite database: URLs, bad files in one sentence each, versions, first starts, forks."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hydra.errors import ConfigError, HydraError, SchemaError, StoreUnavailable
from hydra.execution import Submission
from hydra.stores import open_store
from hydra.stores.filter import Filter
from hydra.stores.sqlite import schema
from hydra.stores.sqlite.statements import migrations

from tests.stores.store_values import NOW, claim, register, submit

pytestmark = pytest.mark.fresh_database


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("oracle://x", "is not a database URL"),
        ("billing.db", "is not a database URL"),
        ("", "is not a database URL"),
        ("sqlite:///50%ff.db", "write a `%` in a path as `%25`"),
        ("sqlite://", "names no SQLite file"),
        ("sqlite:///", "names no SQLite file"),
        ("sqlite:///:memory:", "names no SQLite file"),
        ("sqlite://host/x.db", "names no SQLite file"),
        ("sqlite:///x.db?synchronous=off", "`synchronous=off` is not known"),
        ("sqlite:///x.db?cache=shared", "`cache` is not an option"),
    ],
)
def test_a_url_hydra_does_not_know_is_an_error_in_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


def test_relative_and_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative = open_store("sqlite:///with%20space.db")
    absolute = open_store(f"sqlite:///{tmp_path}/with space.db")
    relative.open()
    monkeypatch.chdir("/")
    (id,) = submit(relative)
    absolute.open()
    assert absolute.get([id])[0] is not None
    for store in (relative, absolute):
        store.close()


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        open_store(f"sqlite:///{tmp_path}").open()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist; create it"):
        open_store(f"sqlite:///{tmp_path}/none/x.db").open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; the test below drops its rights")
def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        open_store(f"sqlite:///{tmp_path}/x.db").open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("exists", [True, False])
def test_an_unwritable_path_is_a_config_error_for_whoever_may_not(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "x.db"
    if exists:
        store = open_store(f"sqlite:///{path}")
        store.open()
        store.close()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        ours = Path(tempfile.gettempdir())
        for folder in (*tmp_path.parents, tmp_path):
            if folder.owner() == "root" and ours in folder.parents:
                folder.chmod(0o755)
        os.setuid(65534)
        try:
            open_store(f"sqlite:///{path}").open()
            os.write(write, b"opened")
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 4096).decode().startswith("ConfigError: the database `")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    content = b"not a database, but dear to its owner\n" * 100
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is not a SQLite database"):
        open_store(f"sqlite:///{path}").open()
    assert path.read_bytes() == content


def test_g7_a_damaged_database_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = open_store(f"sqlite:///{path}")
    store.open()
    submit(store, 500)
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    damaged = open_store(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match="is damaged"):
        damaged.open()
        damaged.list(Filter())
    damaged.close()


def test_g7_a_full_disk_is_said_to_be_and_nothing_is_half_done(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/x.db")
    store.open()
    kept = submit(store, 10)
    with store._database.transaction() as transaction:  # type: ignore[attr-defined]
        pages = transaction.connection.execute("pragma page_count").fetchone()[0]
    store._database._writer.execute(f"pragma max_page_count = {pages}")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        submit(store, 200)
    assert len(store.list(Filter())) == len(kept)
    store._database._writer.execute("pragma max_page_count = 1000000")  # type: ignore[attr-defined]
    submit(store, 200)
    assert store.audit() == []
    store.close()


def test_r27_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = open_store(f"sqlite:///{path}")
    store.open()
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("insert into hydra_schema (version) values (99)")
    for migrate in (True, False):
        with pytest.raises(SchemaError, match="version 99"):
            open_store(f"sqlite:///{path}").open(migrate=migrate)
    with pytest.raises(SchemaError, match="version 99"):
        open_store(f"sqlite:///{path}").migrate()


def test_r27_an_older_schema_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        version, statements = migrations()[0]
        for statement in statements:
            connection.execute(statement)
        connection.execute("insert into hydra_schema (version) values (?)", (version,))
        connection.execute(
            "insert into hydra_execution (id, namespace, workflow, status, priority, run_at) "
            "values ('old', 'default', 'bill', 'pending', 0, 1)"
        )
        connection.execute("insert into hydra_submission values ('old', null, x'', x'', null, 1)")
        connection.execute("insert into hydra_count values ('default', 'bill', 'pending', 1)")
    store = open_store(f"sqlite:///{path}")
    with pytest.raises(SchemaError, match="hydra migrate"):
        store.open(migrate=False)
    assert store.migrate() == (version, schema.newest_version())
    assert store.migrate() == (schema.newest_version(), schema.newest_version())
    store.open(migrate=False)
    assert [one.id for one in claim(store, register(store))] == ["old"]
    assert store.audit() == []
    store.close()


def test_refusing_to_migrate_creates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with pytest.raises(SchemaError, match="run `hydra migrate`"):
        open_store(f"sqlite:///{path}").open(migrate=False)
    assert list(tmp_path.iterdir()) == []


def test_a_store_shares_its_file_with_the_users_own_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table ledger (amount text)")
        connection.execute("insert into ledger values ('1.10')")
    store = open_store(f"sqlite:///{path}")
    store.open()
    submit(store)
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("select amount from ledger").fetchall() == [("1.10",)]


def _open_and_submit(url: str, barrier: object, failures: object) -> None:
    try:
        barrier.wait()  # type: ignore[attr-defined]
        store = open_store(url)
        store.open()
        submit(store, 3)
        store.close()
    except BaseException as error:
        failures.put(repr(error))  # type: ignore[attr-defined]


def test_r27_ten_first_starts_at_once_make_one_set_of_tables(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    url = f"sqlite:///{tmp_path}/x.db"
    barrier, failures = context.Barrier(10), context.SimpleQueue()
    processes = [context.Process(target=_open_and_submit, args=(url, barrier, failures)) for _ in range(10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert failures.empty() or failures.get() is None
    store = open_store(url)
    store.open(migrate=False)
    assert len(store.list(Filter())) == 30
    assert store.audit() == []
    store.close()


def test_a_closed_store_leaves_no_wal_behind_and_may_be_opened_again(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/x.db")
    for _ in range(2):
        store.open()
        submit(store)
        store.list(Filter())
        store.wait_for_change(0)
        store.close()
        assert not list(tmp_path.glob("*-wal"))


def test_g1_commits_are_flushed_to_the_disk_unless_the_url_says_otherwise(tmp_path: Path) -> None:
    for option, level in (("", 2), ("?synchronous=normal", 1), ("?synchronous=extra", 3)):
        store = open_store(f"sqlite:///{tmp_path}/x.db{option}")
        store.open()
        with store._database.transaction() as transaction:  # type: ignore[attr-defined]
            assert transaction.connection.execute("pragma synchronous").fetchone() == (level,)
            assert transaction.connection.execute("pragma journal_mode").fetchone() == ("wal",)
        store.close()


def test_the_process_holds_one_sqlite_library() -> None:
    """Two would not know of each other's POSIX locks, and one closing a file would drop the other's."""
    program = "import hydra, hydra.cli, sys; print([m for m in sys.modules if m.startswith(('apsw', 'pysqlite'))])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_error_of_a_statement_hydra_did_not_foresee_is_not_hidden(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/x.db")
    store.open()
    with pytest.raises(sqlite3.Error), store._database.transaction() as transaction:  # type: ignore[attr-defined]
        transaction.connection.execute("selec 1")
    with pytest.raises(HydraError, match="lacks hydra's tables"), store._database.transaction() as transaction:  # type: ignore[attr-defined]
        transaction.connection.execute("select * from hydra_nothing")
    assert store.submit([Submission("1", "bill", b"", b"")], NOW)[0].created
    store.close()


@pytest.mark.parametrize("successor", ["none", "an older copy"])
def test_g1_nothing_is_accepted_into_a_file_that_was_deleted_or_replaced(tmp_path: Path, successor: str) -> None:
    path = tmp_path / "hydra.db"
    store = open_store(f"sqlite:///{path}")
    store.open()
    (id,) = submit(store)
    path.rename(tmp_path / "moved.db")
    if successor != "none":
        open_store(f"sqlite:///{path}").open()
    for use in (lambda: submit(store), lambda: store.get([id])):
        with pytest.raises(ConfigError, match="was deleted or replaced while it was open"):
            use()
    assert path.exists() == (successor != "none"), "a look makes no file"
    store.close()


def test_a_link_leads_to_the_same_lock_files(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "hydra.db").symlink_to(tmp_path / "hydra.db")
    for folder in (tmp_path, tmp_path / "links"):
        store = open_store(f"sqlite:///{folder}/hydra.db")
        store.open()
        submit(store)
        store.close()
    assert [each.name for each in (tmp_path / "links").iterdir()] == ["hydra.db"]
