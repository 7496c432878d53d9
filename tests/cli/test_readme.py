"""What the README shows works as it stands."""

from __future__ import annotations

from pathlib import Path

from tests.cli.terminal import Terminal

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_first_example_runs(terminal: Terminal, tmp_path: Path) -> None:
    example = README.read_text().partition('```python title="app.py"\n')[2].partition("```")[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    (tmp_path / "app.py").write_text(example)
    terminal.start()
    id = terminal.hydra("submit", "bill", '["visa-1", 1999]', "--key", "inv-42").out.strip()
    assert terminal.hydra("result", id).json.startswith("visa-1 pays 1999, once: ")


def test_every_file_it_links_to_exists() -> None:
    targets = [part.partition(")")[0] for part in README.read_text().split("](")[1:]]
    assert targets
    assert [target for target in targets if not (README.parent / target).exists()] == []
