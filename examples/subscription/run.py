"""Two customers, years in seconds: one is dunned, reactivated and written off, one cancels; the supervisor is killed.

    python run.py [--folder DIRECTORY]

Exit codes: 0 every state was entered once and in order, 1 not so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import hydra  # noqa: E402
from app import Terms, subscribe  # noqa: E402
from bank import Bank, Desk  # noqa: E402

TERMS = Terms(trial=0.3, period=0.3, reminder=0.2, grace=2.0)
DUNNED = ["past due", "reminder 1", "reminder 2", "reminder 3", "suspended"]
EXPECTED = {
    "ada": ["trial", "active", *DUNNED, "active", *DUNNED, "cancelled", "written off"],
    "bob": ["trial", "active", "cancelled"],
}
RESULT_TIMEOUT_SECONDS = 120.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, help="where everything is put (default: a temporary one)")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return live(chosen.folder.resolve() if chosen.folder else Path(temporary))


def live(folder: Path) -> int:
    bank, desk = Bank(folder), Desk(folder)
    bank.decline("ada", [2, 3])
    url = f"sqlite:///{folder}/hydra.db"
    supervisor = start(url, folder)
    try:
        with hydra.Engine(url) as engine:
            ada = engine.submit(subscribe.bind("ada", TERMS), key="ada")
            bob = engine.submit(subscribe.bind("bob", TERMS), key="bob")
            bob.signal("cancel")
            while "reminder 2" not in desk.states("ada"):
                time.sleep(0.02)
            print("killing the supervisor while ada is being reminded")
            supervisor.kill()
            supervisor.wait()
            supervisor = start(url, folder)
            while "suspended" not in desk.states("ada"):
                time.sleep(0.02)
            ada.signal("reactivate")
            for handle in (ada, bob):
                print(handle.result(timeout=RESULT_TIMEOUT_SECONDS))
    finally:
        supervisor.terminate()
        supervisor.wait()
    for customer in EXPECTED:
        print(f"{customer}: {' > '.join(desk.states(customer))}")
    is_right = all(desk.states(customer) == states for customer, states in EXPECTED.items())
    is_charged_once = all(len(list((folder / "charges" / customer).iterdir())) == 1 for customer in EXPECTED)
    return 0 if is_right and is_charged_once else 1


def start(url: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hydra.cli", "start", "app", "--db", url, "--workers", "1", "--lease-ttl", "2s"]
    environment = {**os.environ, "SUBSCRIPTION_FOLDER": str(folder)}
    return subprocess.Popen(command, cwd=HERE, env=environment, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
