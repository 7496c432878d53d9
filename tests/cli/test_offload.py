"""`hydra offload sweep`: what it deletes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main
from hydra.object_store import ObjectStore
from hydra.payload_keys import NO_KEYS

OLD = "01890a5d-ac96-774b-bcce-b302099a8057"  # named in July 2023


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The commands set it for what they start."""
    monkeypatch.setenv("HYDRA_OFFLOAD", f"file://{tmp_path}/objects")
    return f"file://{tmp_path}/objects"


def test_a_sweep_says_what_went(place: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/swept.db"
    with hydra.Engine(url) as engine:
        engine.audit()
    objects = ObjectStore(hydra.Offload(place), "default", NO_KEYS)
    objects.put(b"young")
    folder = tmp_path / "objects" / "hydra-default"
    for name in (OLD, f"{OLD}.part"):
        (folder / name).write_bytes(b"old")
    given = ["offload", "sweep", "--db", url]
    refused = invoke(*given, code=1)
    assert "no row of namespace `default`" in refused and "say `--force`" in refused
    assert invoke(*given, "--force", "--dry-run") == "2 objects would be deleted, 1 stay\n"
    assert json.loads(invoke(*given, "--force", "--json")) == {"deleted": 2, "kept": 1}
    assert invoke(*given, "--force") == "0 objects were deleted, 1 stay\n"
    assert "`--older-than` is less than 1h" in invoke(*given, "--older-than", "59m", code=2)


def test_without_a_place_one_sentence_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_OFFLOAD", raising=False)
    said = invoke("offload", "sweep", "--db", f"sqlite:///{tmp_path}/none.db", code=2)
    assert said == "error: say where the objects lie: `--offload URL` or HYDRA_OFFLOAD\n"


def invoke(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == code, done.output
    return done.output
