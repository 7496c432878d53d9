"""The outside world of a subscription: a bank that declines what it was told to, and a desk with a file per fact.

A fact is a file that is made once, so a repeated call changes nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

DECLINED = "declined"  # declined/<customer> holds the periods, as JSON, whose charge is declined


class Bank:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def decline(self, customer: str, periods: list[int]) -> None:
        (self.folder / DECLINED).mkdir(parents=True, exist_ok=True)
        (self.folder / DECLINED / customer).write_text(json.dumps(periods))

    def charge(self, key: str, customer: str, period: int, pennies: int) -> bool:
        path = self.folder / DECLINED / customer
        if path.exists() and period in json.loads(path.read_text()):
            return False
        put(self.folder / "charges" / customer / key, f"{period}\t{pennies}")
        return True


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def enter(self, customer: str, number: int, state: str) -> None:
        put(self.folder / "states" / customer / f"{number:02}", state)

    def send(self, key: str, customer: str, letter: str) -> None:
        put(self.folder / "letters" / customer / key, letter)

    def states(self, customer: str) -> list[str]:
        """In the order in which they were entered."""
        return [path.read_text() for path in sorted((self.folder / "states" / customer).glob("[0-9]*"))]


def put(path: Path, text: str) -> None:
    """Whole or not at all, and once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)
