"""The table of benches/README.md is what `peers/run.py` measured."""

from __future__ import annotations

import pytest
from peers.table import COLUMNS, print_table


def test_the_table_has_a_row_for_each_peer_and_a_cell_for_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        "facts": {"cpu": "2 x Some"},
        "command": "peers/run.py --seconds 5",
        "began": "2026-11-30 17:00",
        "left_out": {"Oban": "`oban` is not installed"},
        "peers": [
            {"name": "hydra", "title": "hydra", "version": "0.1.0"},
            {"name": "raw", "title": "raw", "version": "3.3.9"},
        ],
        "rows": [
            {"peer": "hydra", "what": "submit in bulk", "figure": 94_015.4, "cpu_us_each": 10.6},
            {"peer": "hydra", "what": "pickup, idle", "figure": 2.94, "p99": 5.26},
            {"peer": "raw", "what": "drain, no step", "figure": 232_730.0, "cpu_us_each": 1.0},
        ],
    }
    print_table(found)
    lines = capsys.readouterr().out.splitlines()
    assert "| hydra | | | 94,015 | 2.9 / 5.3 ms | | | |" in lines
    assert "| raw | | | | | 232,730 | | |" in lines
    assert "| hydra | | | 11 | | | |" in lines
    assert "Left out: Oban: `oban` is not installed." in lines
    (head,) = [line for line in lines if line.startswith("| a second")]
    assert head.count("|") == len(COLUMNS) + 2
