"""The answer to a message whose id is taken."""

from __future__ import annotations

from enum import Enum


class Clash(Enum):
    """What `signal` answers where nothing is put, because the message's id stands for something else already."""

    MESSAGE = "another message of this execution has that id"
