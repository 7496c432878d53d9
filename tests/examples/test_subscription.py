"""The subscription as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[2] / "examples" / "subscription" / "run.py"


def test_g9_a_subscription_survives_its_supervisor_and_enters_each_state_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--folder", str(tmp_path)], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killing the supervisor while ada is being reminded" in done.stdout
    states = [path.read_text() for path in sorted((tmp_path / "states" / "ada").iterdir())]
    assert len(states) == 15
    assert states[-2:] == ["cancelled", "written off"]
