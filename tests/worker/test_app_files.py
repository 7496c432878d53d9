"""Which of the imported modules are the app's files, whatever links lead to them: the version of its code is theirs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from hydra.worker.imported_app import app_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "real"
    folder.mkdir()
    return folder


def imported(*names: str) -> None:
    importlib.invalidate_caches()
    for name in names:
        importlib.import_module(name)


def test_they_are_what_was_imported_below_its_top_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("links_app", "links_beside", "links_never"):
        (folder / f"{name}.py").write_text("")
    (folder / "links_package").mkdir()
    (folder / "links_package" / "__init__.py").write_text("")
    (folder / "site-packages").mkdir()
    (folder / "site-packages" / "links_library.py").write_text("")
    near = folder.parent / "realistic"  # begins as the folder does, and is not in it
    near.mkdir()
    (near / "links_near.py").write_text("")
    for path in (near, folder / "site-packages", folder):
        monkeypatch.syspath_prepend(str(path))
    imported("links_app", "links_beside", "links_package", "links_library", "links_near")
    assert app_files("links_app") == [
        folder / "links_app.py",
        folder / "links_beside.py",
        folder / "links_package" / "__init__.py",
    ]


def test_a_link_to_a_folder_or_a_file_is_what_it_leads_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "links_main.py").write_text("")
    (folder / "links_v2.py").write_text("")
    (folder / "links_now.py").symlink_to("links_v2.py")
    outside = folder.parent / "outside.py"
    outside.write_text("")
    (folder / "links_outside.py").symlink_to(outside)
    link = folder.parent / "link"
    link.symlink_to(folder)
    monkeypatch.syspath_prepend(str(link))
    imported("links_main", "links_now", "links_outside")
    assert app_files("links_main") == [folder / "links_main.py", folder / "links_v2.py"]
