from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import new_folders


def test_a_folder_is_made_once_for_a_program_and_its_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_folders, "KEPT", tmp_path / "kept")
    program = tmp_path / "initdb"
    program.touch()
    made: list[str] = []

    def fill(name: str, *arguments: str) -> str:
        folder = tmp_path / name

        def make() -> None:
            made.append(name)
            folder.mkdir()
            (folder / "of").write_text(name)

        new_folders.fill(folder, program, arguments, make)
        return (folder / "of").read_text()

    assert fill("a") == "a"
    (tmp_path / "a" / "of").write_text("a server wrote this")
    assert fill("b") == "a", "as it was made"
    assert fill("c", "--other") == "c"
    program.write_text("another version")
    assert fill("d") == "d"
    assert made == ["a", "c", "d"]
