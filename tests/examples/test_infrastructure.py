"""The rolling restart as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[2] / "examples" / "infrastructure" / "run.py"


def test_g9_a_rollout_survives_its_supervisor_and_a_broken_release_is_rolled_back(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--folder", str(tmp_path)], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killing the supervisor while `web-2` restarts" in done.stdout
    assert "release 2.1-broken: undone, because" in done.stdout
    assert "web-1, web-2 did not become healthy with release 2.1-broken" in done.stdout
    hosts = [json.loads(path.read_text()) for path in (tmp_path / "hosts").glob("web-*.json")]
    assert [(host["release"], host["in_rotation"]) for host in hosts] == [("2.0", True)] * 5
