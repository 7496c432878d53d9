"""A user's mistake gets one sentence and an exit code, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import HydraError
from hydra.stores import open_store, without_password

from tests.cli.terminal import Terminal

INVOICE = '{"number": "7", "amount": "12.50", "due": "2026-03-01"}'
UNKNOWN_ID = "01a20846-e0c7-712f-91c7-24484a74c0f9"


@pytest.mark.parametrize(
    ("db", "sentence"),
    [
        ("redis://localhost/0", "`redis://localhost/0` is not a database URL hydra knows"),
        ("sqlite:///", "names no SQLite file"),
        ("sqlite:///x.db?synchronous=never", "`synchronous=never` is not known"),
        ("sqlite:////no/such/directory/x.db", "the directory `/no/such/directory` of the database does not exist"),
        ("sqlite:////proc/x.db", "`/proc/x.db`"),
    ],
)
def test_a_database_that_cannot_be(terminal: Terminal, db: str, sentence: str) -> None:
    for command in (["list"], ["submit", "bill", "{}"], ["start", "app"], ["migrate"]):
        answer = terminal.refused(*command, db=db)
        assert answer.code == 2
        assert sentence in answer.error


def test_a_file_that_is_not_a_database(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and long enough to hold a header " * 40)
    for command in (["list"], ["submit", "bill", "{}"], ["start", "app"]):
        answer = terminal.refused(*command, db=f"sqlite:///{tmp_path}/notes.txt")
        assert answer.code == 2
        assert "is not a SQLite database" in answer.error


def test_a_directory_in_the_place_of_a_database(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal.refused("submit", "bill", "{}", db=f"sqlite:///{tmp_path}")
    assert "is a directory" in answer.error


def test_an_address_or_a_label_that_cannot_be(terminal: Terminal) -> None:
    answer = terminal.refused("start", "app", "--http", "nonsense")
    assert answer.code == 2
    assert "`nonsense` is not an address to listen on" in answer.error
    answer = terminal.refused("start", "app", "--http", "127.0.0.1:0", "--metric-tag", "run", "--metric-tag", "a-b")
    assert answer.code == 2
    assert "tag `a-b` cannot be a label" in answer.error


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_database_that_may_not_be_written(terminal: Terminal, tmp_path: Path) -> None:
    terminal.hydra("migrate")
    (tmp_path / "cli.db").chmod(0o400)
    answer = terminal.refused("submit", "bill", "{}")
    assert answer.code == 2
    assert "cannot be written" in answer.error


def test_a_database_that_is_not_there_is_not_made_by_a_look_at_it(terminal: Terminal, tmp_path: Path) -> None:
    for command in (["list"], ["show", UNKNOWN_ID], ["stats"], ["nodes"], ["audit"], ["purge", "--older-than", "1d"]):
        answer = terminal.refused(*command)
        assert answer.code == 2
        assert "run `hydra migrate`" in answer.error
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]


@pytest.mark.parametrize("command", ["show", "result", "cancel", "retry", "resume"])
@pytest.mark.parametrize("id", [UNKNOWN_ID, "nonsense", "ünï"])
def test_an_id_that_nobody_knows(terminal: Terminal, command: str, id: str) -> None:
    terminal.hydra("migrate")
    answer = terminal.refused(command, id)
    assert answer.code == 1
    assert "no execution `" in answer.error


def test_bytes_that_are_no_text(terminal: Terminal) -> None:
    answer = terminal.refused("show", "\udcff")
    assert answer.code == 2
    assert "not valid UTF-8" in answer.error


@pytest.mark.parametrize(
    "command",
    [
        ["submit", "bill", "{}", "--delay", "5x"],
        ["submit", "bill", "{}", "--delay", "-5s"],
        ["submit", "bill", "{}", "--delay", "10"],
        ["purge", "--older-than", "a month"],
        ["result", UNKNOWN_ID, "--timeout", "soon"],
        ["start", "app", "--lease-ttl", "ten seconds"],
    ],
)
def test_a_duration_that_is_none(terminal: Terminal, command: list[str]) -> None:
    answer = terminal.refused(*command)
    assert answer.code == 2
    assert "is not a duration; write a number and a unit" in answer.error


def test_a_lease_too_short_to_be_kept(terminal: Terminal) -> None:
    answer = terminal.refused("start", "app", "--lease-ttl", "100ms")
    assert answer.code == 2
    assert "at least 500ms" in answer.error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ('{"invoice":', "is not JSON"),
        ('"7"', "is not an object (keyword arguments) or an array (positional arguments)"),
        ("[NaN]", "`NaN` is not a JSON number"),
        (f'{{"invoice": {INVOICE}, "copies": 1, "copies": 2}}', "says `copies` twice in one object; say it once"),
        ("{}", "argument `invoice` is missing"),
        (f'{{"invoice": {INVOICE}, "coppies": 2}}', "argument `coppies` is unknown"),
        (f"[{INVOICE}, 1, 2]", "takes at most 2"),
        ('[{"number": "7", "amount": 12.50, "due": "2026-03-01"}]', "`invoice.amount` must be a string (decimal)"),
        ('[{"number": "7", "amount": "12.50", "due": "soon"}]', "`invoice.due` must be a string (date)"),
        ('[{"number": 7, "amount": "12.50", "due": "2026-03-01"}]', "`invoice.number` must be"),
    ],
)
def test_json_that_does_not_fit_the_signature_a_supervisor_recorded(
    terminal: Terminal, arguments: str, sentence: str
) -> None:
    terminal.start()
    answer = terminal.refused("submit", "bill", arguments)
    assert answer.code == 2
    assert sentence in answer.error
    assert terminal.hydra("list", "--json").json == []


def test_a_payload_that_is_too_large(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal.hydra("submit", "bill", "-", input='{"text": "' + "x" * 17_000_000 + '"}')
    assert answer.code == 2
    assert "Traceback" not in answer.error
    assert "limit" in answer.error


def test_a_key_used_before_with_other_arguments(terminal: Terminal) -> None:
    terminal.hydra("submit", "bill", '{"n": 1}', "--key", "k")
    answer = terminal.refused("submit", "bill", '{"n": 2}', "--key", "k")
    assert answer.code == 1
    assert "key `k` of workflow `bill` was used before" in answer.error


@pytest.mark.parametrize("verb", ["retry", "resume"])
def test_a_move_the_state_does_not_allow(terminal: Terminal, verb: str) -> None:
    id = terminal.hydra("submit", "bill", "{}").out.strip()
    answer = terminal.refused(verb, id)
    assert answer.code == 1
    assert f"`{id}` is pending" in answer.error


@pytest.mark.parametrize(
    "command",
    [
        ["list", "--status", "done"],
        ["list", "--limit", "0"],
        ["list", "--tag", "run"],
        ["submit", "bill", "{}", "--priority", "high"],
        ["submit", "bill", "{}", "--namespace", "a b"],
        ["submit", "", "{}"],
        ["start"],
        ["start", "app", "--workers", "0"],
        ["frobnicate"],
        ["list", "--frobnicate"],
    ],
)
def test_a_call_that_makes_no_sense_is_exit_code_2(terminal: Terminal, command: list[str]) -> None:
    assert terminal.refused(*command).code == 2


def test_an_app_that_does_not_import_is_shown_with_its_traceback(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import json\n\nprice = 1 / 0\n")
    answer = terminal.hydra("start", "app")
    assert answer.code == 2
    assert "price = 1 / 0" in answer.error
    assert "error: app `app` does not import: ZeroDivisionError: division by zero" in answer.error
    assert "importlib" not in answer.error


def test_an_app_that_is_not_there(terminal: Terminal) -> None:
    for command in ("start", "check"):
        answer = terminal.refused(command, "no_such_app")
        assert answer.code == 2
        assert "no module `no_such_app`" in answer.error


@pytest.mark.parametrize("module", ["./app", "", "app:bill", "shop/app"])
def test_a_module_that_is_none(terminal: Terminal, module: str) -> None:
    for command in ("start", "check"):
        answer = terminal.refused(command, module)
        assert answer.code == 2
        assert f"`{module}` is not a module; name it as `import` would" in answer.error


def test_a_file_in_the_place_of_a_module_is_told_its_name(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import hydra\n")
    for command in ("start", "check"):
        answer = terminal.refused(command, "app.py")
        assert answer.code == 2
        assert "name the app as `import` would, `app`" in answer.error


def test_an_empty_database_or_namespace_is_no_default(terminal: Terminal) -> None:
    answer = terminal.refused("list", "--db", "")
    assert (answer.code, "is not a database URL" in answer.error) == (2, True)
    answer = terminal.refused("list", "--namespace", "")
    assert (answer.code, "is not a namespace" in answer.error) == (2, True)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "oracle"])
def test_a_password_is_never_shown(terminal: Terminal, scheme: str) -> None:
    db = f"{scheme}://me:topsecret@127.0.0.1:1/billing"
    for command in ("list", "doctor"):
        answer = terminal.hydra(command, db=db)
        assert answer.code != 0
        assert "secret" not in answer.out + answer.error
        assert "127.0.0.1:1/billing" in answer.out + answer.error
    said = said_by_start(terminal, db)
    assert "secret" not in said
    assert "127.0.0.1:1/billing" in said


def said_by_start(terminal: Terminal, db: str) -> str:
    """By a supervisor that refuses the URL, or waits for a server that is not there until it is told to end."""
    command = [sys.executable, "-m", "hydra.cli", "start", "app"]
    environment = {**os.environ, "HYDRA_DB": db}
    with subprocess.Popen(
        command, cwd=terminal.folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stderr is not None
        said = supervisor.stderr.readline() + supervisor.stderr.readline()
        supervisor.terminate()
        return said + supervisor.communicate(timeout=60)[1]


def test_a_page_after_an_id_that_is_none(terminal: Terminal) -> None:
    terminal.hydra("migrate")
    answer = terminal.refused("list", "--before", "first")
    assert answer.code == 2
    assert "`'first'` is not an execution's id" in answer.error


def test_two_workflows_of_one_name(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import hydra\n\n@hydra.workflow\ndef bill(): ...\n\n@hydra.workflow(name='bill')\ndef invoice(): ...\n"
    )
    answer = terminal.hydra("start", "app")
    assert answer.code == 2
    assert "two workflows are named `bill`" in answer.error


SECRET = "s3cr3t-PW"


@pytest.mark.parametrize(
    "db",
    [
        "oracle://u:{}@host/x",
        "host=127.0.0.1 password={} dbname=x",
        *(
            f"{scheme}://u:{password}@127.0.0.1:1/x"
            for scheme in ("postgresql", "mysql")
            for password in (
                "{}",
                "a@{}",
                "{}@a",
                "a/{}",
                "{}/a",
                "7/{}",
                "a?{}",
                "{}?a",
                "a#{}",
                "{}#a",
                "%zz{}",
                "[{}",
                "a:{}",
            )
        ),
        "postgresql://127.0.0.1:1/x?user=u&password={}",
        "postgresql://127.0.0.1:1/x?PASSWORD={}",
        "postgresql://u@127.0.0.1:1/x?sslpassword={}",
        "postgresql://u:{}@[bad/x",
        "mysql://u@127.0.0.1:1/x?password={}",
    ],
)
def test_no_sentence_shows_a_password_however_it_is_written(db: str) -> None:
    with pytest.raises(HydraError) as refused:
        store = open_store(db.format(SECRET))
        assert SECRET not in store.url
        store.open()
    assert SECRET not in str(refused.value)
    assert SECRET not in without_password(db.format(SECRET))


def test_a_start_shows_its_database_and_no_password(terminal: Terminal, postgres_url: str) -> None:
    answer = terminal.hydra("start", "absent", db=postgres_url.replace("hydra@", f"hydra:{SECRET}@"))
    assert answer.code == 2
    assert "postgresql://hydra@/" in answer.error
    assert SECRET not in answer.out + answer.error


def test_half_of_a_surrogate_pair_is_refused_by_its_number(terminal: Terminal) -> None:
    terminal.start()
    answer = terminal.refused("submit", "bill", r'["\ud800"]')
    assert answer.code == 2 and r"\ud800" in answer.error
    answer = terminal.refused("submit", "bill", r'{"\ud800": 1}')
    assert answer.code == 2 and "bill" in answer.error
