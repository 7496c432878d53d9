"""The service as a user runs it: placed twice is placed once, and bad orders are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[2] / "examples" / "service" / "run.py"


def test_an_order_over_http_is_paid_once_however_often_it_is_sent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--check"], cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "o-1 paid 119.00 by visa-" in done.stdout
