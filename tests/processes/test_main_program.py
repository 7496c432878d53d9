"""A program that is started by itself, `python app.py`, with a worker of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import hydra

client = None

@hydra.step
def charge(number: int):
    print("client", client)
    class Amount(int):
        pass
    return Amount(number) if number == 2 else number

@hydra.workflow
def bill(number: int) -> str:
    try:
        charge(number)
    except hydra.PayloadError:
        return "refused"
    return "charged"

if __name__ == "__main__":
    client = "PROD"
    with hydra.Engine("sqlite:///money.db") as engine, engine.worker():
        for number in (1, 2, 3):
            print(engine.submit(bill.bind(number)).result(timeout=60))
"""


def test_it_is_not_imported_a_second_time_for_a_class_that_nobody_can_find(tmp_path: Path) -> None:
    """Else its steps are those of the copy from then on, with globals that nobody has set."""
    (tmp_path / "money.py").write_text(PROGRAM)
    done = subprocess.run([sys.executable, "money.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("client")] == ["client PROD"] * 3
    assert done.stdout.count("refused") == 1
