"""`--db-map`: every command finds the database of its namespace."""

from __future__ import annotations

from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner, Result
from hydra.cli import main
from hydra.move import move

from tests.support.disk import disk_path

__all__ = ["disk_path"]


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """`hydra doctor` looks at what it lies on."""
    return disk_path


@pytest.fixture
def urls(tmp_path: Path) -> dict[str, str]:
    return {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two")}


@pytest.fixture
def file(tmp_path: Path, urls: dict[str, str]) -> str:
    path = tmp_path / "databases"
    path.write_text("".join(f"{name} {url}\n" for name, url in urls.items()))
    return str(path)


def hydra_command(*arguments: str, code: int = 0, **environment: str) -> Result:
    done = CliRunner().invoke(main, list(arguments), env=environment)
    assert done.exit_code == code, done.output
    return done


def settle(namespace: str, url: str) -> None:
    """Something of the namespace lies there."""
    with hydra.Engine(url, namespace) as engine:
        engine.submit(hydra.named("bill").bind(namespace), key=namespace)


def test_a_command_finds_the_database_by_the_namespace(file: str, urls: dict[str, str]) -> None:
    for name in urls:
        hydra_command("migrate", "--db-map", file, "--namespace", name)
        with hydra.Engine(urls[name], name) as engine:
            engine.submit(hydra.named("bill").bind(name), key=name)
    for name in urls:
        assert name in hydra_command("list", "--json", "--db-map", file, "--namespace", name).output
        limits = ("limits", "--db-map", file, "--namespace", name)
        assert hydra_command(*limits, "show", "none", code=1).output.startswith("error: ")
    told = hydra_command("list", HYDRA_DB_MAP=file, HYDRA_NAMESPACE="two").output
    assert "two" in told
    assert "one" not in told


def test_a_namespace_without_an_entry_is_one_sentence(file: str) -> None:
    for command in (["list"], ["start", "app"], ["dashboard"], ["doctor"], ["stats"], ["purge", "--older-than", "1d"]):
        told = hydra_command(*command, "--db-map", file, "--namespace", "three", code=2).output
        assert told.startswith(f"error: the map of databases `{file}` has no database for namespace `three`; give it")
        assert told.count("\n") == 1


def test_what_is_written_outweighs_a_variable_and_two_of_a_kind_are_refused(file: str, urls: dict[str, str]) -> None:
    hydra_command("migrate", "--db", urls["one"])
    empty = "no executions"
    assert empty in hydra_command("list", "--db", urls["one"], HYDRA_DB_MAP=file).output
    hydra_command("migrate", "--db-map", file)
    assert (
        empty
        in hydra_command("list", "--db-map", file, HYDRA_DB="sqlite:////no/where.db", HYDRA_NAMESPACE="one").output
    )
    for arguments, environment in (
        (["--db", urls["one"], "--db-map", file], {}),
        ([], {"HYDRA_DB": urls["one"], "HYDRA_DB_MAP": file}),
    ):
        told = hydra_command("list", *arguments, code=2, **environment).output
        assert told == "error: `--db` and `--db-map`, or their variables, both say which database is meant; give one\n"


def test_what_is_written_before_an_orders_name_outweighs_a_variable(urls: dict[str, str]) -> None:
    hydra_command("migrate", "--db", urls["one"])
    found = hydra_command("schedules", "--db", urls["one"], "pause", "none", code=1, HYDRA_DB=urls["two"]).output
    assert "no tables" not in found
    assert "`none`" in found


def test_migrate_goes_over_all_databases_of_the_map(file: str, urls: dict[str, str]) -> None:
    told = hydra_command("migrate", "--db-map", file).output.splitlines()
    assert len(told) == 2
    for line, url in zip(told, urls.values(), strict=True):
        assert line.startswith(f"{url}: schema ")


def test_doctor_finds_a_namespace_that_lies_elsewhere_than_the_map_says(file: str, urls: dict[str, str]) -> None:
    hydra_command("migrate", "--db-map", file)
    settle("one", urls["one"])
    settle("two", urls["two"])
    fine = hydra_command("doctor", "--db-map", file).output
    assert "each namespace lies where the map of databases" in fine
    Path(urls["two"].removeprefix("sqlite:///")).unlink()
    hydra_command("migrate", "--db-map", file)
    with hydra.Engine(urls["one"], "two") as engine:  # by a map that was changed without a move
        engine.submit(hydra.named("bill").bind(1), key="inv-1")
    told = hydra_command("doctor", "--json", "--db-map", file, code=1).output
    assert f"namespace `two` lies in `{urls['one']}`, and the map of databases `{file}` says `{urls['two']}`" in told
    move(urls["one"], urls["two"], "two")
    assert "each namespace lies where" in hydra_command("doctor", "--db-map", file).output


def test_doctor_warns_of_each_named_namespace_that_its_database_has_never_seen(
    file: str, urls: dict[str, str], tmp_path: Path
) -> None:
    hydra_command("migrate", "--db-map", file)
    settle("one", urls["one"])
    settle("two", urls["two"])
    new = f"sqlite:///{tmp_path}/new.db"
    with hydra.Engine(new) as engine:
        engine.migrate()
    Path(file).write_text(f"one {urls['one']}\ntwo {new}\neu-* {new}\n")  # no line names the old database any more
    told = hydra_command("doctor", "--json", "--db-map", file).output
    assert f"namespace `two` is new in `{new}`: if it lay elsewhere before, its line was changed without a move" in told
    assert "each namespace lies where" not in told
    assert "`one` is new" not in told
    Path(file).write_text(f"one {urls['one']}\ntwo {new}\n* {urls['two']}\n")  # found for certain: said once
    told = hydra_command("doctor", "--json", "--db-map", file, code=1).output
    assert f"namespace `two` lies in `{urls['two']}`" in told
    assert "is new in" not in told


def test_doctor_finds_a_map_from_before_a_move(file: str, urls: dict[str, str], tmp_path: Path) -> None:
    new, third = (f"sqlite:///{tmp_path}/{name}.db" for name in ("new", "third"))
    hydra_command("migrate", "--db-map", file)
    with hydra.Engine(urls["two"], "two") as engine:
        engine.submit(hydra.named("bill").bind(1), key="inv-1")
    move(urls["two"], new, "two")
    told = hydra_command("doctor", "--json", "--db-map", file, code=1).output
    assert f"`two` was moved to `{new}`, and the map of databases `{file}` says `{urls['two']}`; mend the map" in told
    assert "each namespace lies where" not in told

    with hydra.Engine(third) as engine:  # the new line names a database that has nothing of it
        engine.migrate()
    Path(file).write_text(f"* {urls['two']}\ntwo {third}\n")
    told = hydra_command("doctor", "--json", "--db-map", file, code=1).output
    assert f"`two` was moved to `{new}`, and the map of databases `{file}` says `{third}`; mend the map" in told

    settle("one", urls["two"])
    for lines in (f"* {urls['two']}\ntwo {new}\n", f"one {urls['two']}\n"):  # it was mended; it is another's matter
        Path(file).write_text(lines)
        assert "each namespace lies where" in hydra_command("doctor", "--json", "--db-map", file).output


def test_doctor_goes_on_where_a_database_of_the_map_cannot_be(urls: dict[str, str], tmp_path: Path) -> None:
    missing = f"sqlite:///{tmp_path}/none/a.db"
    told = hydra_command("doctor", "--json", "--db", missing, code=1).output
    assert f"the directory `{tmp_path}/none` of the database does not exist; create it first" in told
    with hydra.Engine(urls["one"]) as engine:
        engine.migrate()
    (tmp_path / "databases").write_text(f"a {missing}\nb oracle://u:s3cret@h/x\nc {urls['one']}\n")
    told = hydra_command("doctor", "--json", "--db-map", str(tmp_path / "databases"), code=1).output
    assert f"`{tmp_path}/none` of the database does not exist" in told
    assert "`oracle://u@h/x` is not a database URL hydra knows" in told
    assert f"integrity of {urls['one']}" in told


def test_migrate_begins_with_no_database_of_a_map_with_one_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "databases").write_text(f"a sqlite:///{tmp_path}/a.db\nb oracle://h/x\n")
    told = hydra_command("migrate", "--db-map", str(tmp_path / "databases"), code=2).output
    assert told.startswith("error: `oracle://h/x` is not a database URL hydra knows")
    assert not (tmp_path / "a.db").exists()


def test_migrate_goes_on_behind_a_database_that_cannot_be_reached(urls: dict[str, str], tmp_path: Path) -> None:
    away, missing = "postgresql://u:s3cret@127.0.0.1:9/x?connect_timeout=2", f"sqlite:///{tmp_path}/none/a.db"
    path = tmp_path / "databases"
    path.write_text(f"a {urls['one']}\nb {away}\nc {missing}\nd {urls['two']}\n")
    told = hydra_command("migrate", "--db-map", str(path), code=1).output
    for url in urls.values():
        assert f"{url}: schema " in told
    assert "s3cret" not in told
    last = told.splitlines()[-1]
    assert last.startswith("error: 2 of 4 databases were not migrated: `postgresql://u@127.0.0.1:9/x")
    assert f"`{missing}`" in last
    path.write_text(f"a {urls['one']}\nd {urls['two']}\n")
    hydra_command("migrate", "--db-map", str(path))


def test_an_empty_map_is_one_sentence_of_every_command(tmp_path: Path) -> None:
    (tmp_path / "databases").write_text("# nobody yet\n")
    for command in (["migrate"], ["doctor"], ["list"], ["start", "app"]):
        told = hydra_command(*command, "--db-map", str(tmp_path / "databases"), code=2).output
        assert told.startswith(f"error: the map of databases `{tmp_path}/databases` names no namespace; give it")
        assert told.count("\n") == 1


def test_a_url_given_as_the_file_is_told_without_its_password() -> None:
    told = hydra_command("list", "--db-map", "postgresql://u:s3cret@h/x", code=2).output
    assert told == "error: the map of databases `postgresql://u@h/x` cannot be read: No such file or directory\n"


def test_nodes_of_a_whole_map_have_no_address_and_need_names(file: str, tmp_path: Path) -> None:
    told = hydra_command("start", "app", "--db-map", file, "--http", "127.0.0.1:0", code=2).output
    assert told.startswith("error: `--http` is the address of one node, and `--db-map` starts one for each namespace")
    assert "with `--namespace NAME --http HOST:PORT` of its own" in told
    (tmp_path / "patterns").write_text(f"shop-* sqlite:///{tmp_path}/x.db\n")
    told = hydra_command("start", "app", "--db-map", str(tmp_path / "patterns"), code=2).output
    assert "names no namespace, only patterns; say which with `--namespace`" in told


def test_doctor_finds_a_namespace_that_is_open_in_two_databases(file: str, urls: dict[str, str]) -> None:
    settle("two", urls["two"])
    settle("two", urls["one"])  # as a backup from before a move would have it
    told = " ".join(hydra_command("doctor", "--json", "--db-map", file, code=1).output.split())
    assert f"namespace `two` is open in `{urls['one']}`, too, and" in told
