"""The doorbell lies where nobody else can plant anything, and nothing that is planted holds up a commit."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest
from hydra.errors import ConfigError
from hydra.identity import user_folder
from hydra.node.node import lock_prefix
from hydra.stores.mysql.tallies import ANYTHING, NEW_WORK
from hydra.stores.mysql.watch import MUCH_WORK, Bells


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def ring(bells: Bells) -> bool:
    """Whether it returned."""
    thread = threading.Thread(target=bells.ring, args=(1,), daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def test_a_bell_lies_in_a_folder_that_only_its_user_can_enter(folder: Path) -> None:
    Bells("db", "default")
    (own,) = folder.iterdir()
    assert own.stat().st_mode & 0o777 == 0o700
    assert len(files(folder)) == len({ANYTHING, NEW_WORK, MUCH_WORK})


def test_a_pipe_planted_in_place_of_a_bell_holds_up_no_commit(folder: Path) -> None:
    Bells("db", "default")
    for path in files(folder):
        path.unlink()
        os.mkfifo(path)
    assert ring(Bells("db", "default"))


def test_a_link_planted_in_place_of_a_bell_is_not_followed(folder: Path) -> None:
    Bells("db", "default")
    for path in files(folder):
        path.unlink()
        path.symlink_to(folder / "made by hydra")
    assert ring(Bells("db", "default"))
    assert not (folder / "made by hydra").exists()


@pytest.mark.parametrize("how", ["everybody may write", "a link"])
def test_a_folder_that_another_may_change_is_not_used(folder: Path, how: str) -> None:
    own = Path(user_folder())
    if how == "a link":
        own.rename(folder / "elsewhere")
        own.symlink_to(folder / "elsewhere")
    else:
        own.chmod(0o777)
    bells = Bells("db", "default")
    assert ring(bells)
    assert bells.listen(ANYTHING) == -1
    assert [path for path in files(folder) if path != own] == []
    with pytest.raises(ConfigError, match="only this user can write"):
        lock_prefix(None)
