"""The billing example as a user runs it: processes are killed, and every line and penny is accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import mysql, postgres

ROOT = Path(__file__).resolve().parents[2]
BILLING = ROOT / "examples" / "billing"
REAL_FILE = ROOT / "../shared/data/online_retail_sample.csv"
BRIEFLY = ("--busy", "9")  # half of what `make demo`, which CI runs as well, keeps the workers busy for
HEADER = "invoice_no,stock_code,quantity,unit_price,customer_id,country\n"


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BILLING / "run.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280, check=False)


def passed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_g4_the_sample_settles_exactly_once_while_workers_and_supervisor_are_killed(tmp_path: Path) -> None:
    """`make demo` kills the workers only, for twice as long; CI runs that, too."""
    report = passed(run("--folder", str(tmp_path / "run"), "--kill-supervisor", "2", *BRIEFLY))
    assert "[ok] the supervisor was killed as often as asked" in report
    for reason in ("no customer", "negative price", "no invoice number", "price in fractions of a penny"):
        assert f"held, {reason}:" in report
    assert "kills hit a worker that held executions" in report


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not REAL_FILE.exists(), reason="the real file is not beside this repository")
def test_g4_the_real_file_settles_exactly_once_while_workers_and_supervisor_are_killed(tmp_path: Path) -> None:
    report = passed(run(str(REAL_FILE), "--folder", str(tmp_path / "run"), "--kill-supervisor", "2", *BRIEFLY))
    assert "total                  3,314   5,180     103,005.45" in report


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("server", [postgres.PostgresServer, mysql.MysqlServer], ids=["postgres", "mysql"])
def test_g9_the_sample_settles_exactly_once_while_the_database_server_is_killed_too(
    tmp_path: Path, server: type[postgres.PostgresServer | mysql.MysqlServer]
) -> None:
    database = server().start()
    try:
        url = (postgres if isinstance(database, postgres.PostgresServer) else mysql).create_database(database)
        payments = tmp_path / "run" / "payments.jsonl"
        command = [sys.executable, str(BILLING / "run.py"), "--db", url, "--folder", str(tmp_path / "run")]
        command += ["--kill", "nothing", "--kill-supervisor", "1", *BRIEFLY]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            for count in (40, 120):
                while not (payments.exists() and payments.read_text().count('"paid"') >= count):
                    assert process.poll() is None, process.communicate()
                    time.sleep(0.02)
                database.kill()
                database.start()
            report, errors = process.communicate(timeout=250)
        assert "FAILED" not in report, report + errors
        assert "[ok] the supervisor was killed as often as asked" in report
        assert process.returncode == 0
    finally:
        database.destroy()


def test_each_kind_of_invoice_goes_its_stated_way(tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text(
        HEADER
        + "1,a,2,1.10,c1,UK\n1,b,1,0,c1,UK\nC2,a,-1,1.10,c1,UK\n3,a,1,0.00,c1,UK\n4,a,1,5.00,,UK\n5,a,x,5.00,c1,UK\n"
    )
    report = passed(run(str(lines), "--kill", "nothing", "--folder", str(tmp_path / "run")))
    rows = {line[:18].strip(): line[18:].split() for line in report.splitlines()[1:7]}
    assert rows == {
        "charged": ["1", "2", "2.20"],
        "refunded": ["1", "1", "-1.10"],
        "nothing to pay": ["1", "1", "0.00"],
        "held for review": ["2", "2", "5.00"],
        "total": ["5", "6", "6.10"],
        "the file": ["5", "6", "6.10"],
    }
    assert sorted(path.stem for path in (tmp_path / "run" / "receipts").iterdir()) == ["1", "3", "C2"]
    assert sorted(path.stem for path in (tmp_path / "run" / "review").iterdir()) == ["4", "5"]


def test_a_run_that_kills_too_little_fails_its_own_check(tmp_path: Path) -> None:
    done = run("--copies", "1", "--concurrency", "32", "--every", "30", "--folder", str(tmp_path / "run"))
    assert done.returncode == 1
    assert "[FAILED] at least 10 kills hit a worker that held executions (0 did)" in done.stdout


def test_a_run_cut_short_fails_and_says_what_is_missing(tmp_path: Path) -> None:
    done = run("--kill", "nothing", "--limit", "0", "--folder", str(tmp_path / "run"))
    assert done.returncode == 1
    assert "[FAILED] every invoice has an outcome" in done.stdout


def test_a_payment_more_than_was_decided_is_found(tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text(HEADER + "1,a,2,1.10,c1,UK\n2,a,1,5.00,c2,UK\n")
    passed(run(str(lines), "--kill", "nothing", "--folder", str(tmp_path / "run")))
    log = tmp_path / "run" / "payments.jsonl"
    paid = next(line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "paid")
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "from report import Account, Payments\n"
        "payments = Payments.read(pathlib.Path(sys.argv[2]))\n"
        "account = Account([], 1, [], [], payments, [], [], 0, 0, None, None)\n"
        "print(*(check.sentence for check in account.checks() if not check.passed), sep='\\n')\n"
    )
    with log.open("a") as file:
        file.write(json.dumps({**paid, "payment_id": "p-999999"}) + "\n")
    answer = subprocess.run(
        [sys.executable, "-c", program, str(BILLING), str(log)], capture_output=True, text=True, check=True
    )
    assert "the provider charged each idempotency key once" in answer.stdout
    assert "the ledger equals the provider" in answer.stdout


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read"), ("a,b\n1,2\n", "has no column `invoice_no`"), (b"\xff\xfe\x00", "cannot be read")],
)
def test_a_file_that_cannot_be_billed_is_one_sentence(
    tmp_path: Path, content: str | bytes | None, sentence: str
) -> None:
    lines = tmp_path / "lines.csv"
    if content is not None:
        lines.write_bytes(content.encode() if isinstance(content, str) else content)
    done = run(str(lines), "--folder", str(tmp_path / "run"))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_there_already_is_refused(tmp_path: Path) -> None:
    done = run("--folder", str(tmp_path))
    assert done.returncode == 2
    assert "name a new one with --folder" in done.stderr


def test_hydra_demo_bills_the_sample_that_comes_with_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hydra.cli", "demo", "--kill", "nothing", "--folder", str(tmp_path / "run")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HYDRA_")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "invoices" in passed(done)
