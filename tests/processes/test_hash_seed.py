"""Sets of texts, which Python orders by a seed of each process, in bodies that go on in another one (G3)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import hydra

SOURCE = """
import hydra

@hydra.step
def charge(card: str) -> str:
    return card

@hydra.workflow
def bill(cards: set[str]) -> list[str]:
    return [charge(card) for card in cards]
"""
CARDS = {f"visa-{number}" for number in range(8)}


def test_g3_every_node_goes_through_a_set_of_texts_in_the_same_order(tmp_path: Path) -> None:
    """Else a body that went on after its supervisor's death would park, though no code changed."""
    (tmp_path / "cards.py").write_text(SOURCE)
    url = f"sqlite:///{tmp_path / 'cards.db'}"
    bill: hydra.BoundWorkflow[list[str]] = hydra.named("bill").bind(CARDS)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    orders = []
    with hydra.Engine(url) as engine:
        for _ in range(2):
            command = [sys.executable, "-m", "hydra.cli", "start", "cards", "--db", url, "--workers", "1"]
            node = subprocess.Popen(command, cwd=tmp_path, env=environment)
            try:
                orders.append(engine.submit(bill).result(timeout=60))
            finally:
                node.send_signal(signal.SIGTERM)
                node.wait(60)
    assert orders[0] == orders[1] and set(orders[0]) == CARDS
