"""How much one claim brings, and what is too large for any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra._core import encode

CLAIM_BYTES = 16 << 20  # inputs and records that one claim brings; one execution at least
MAX_EXECUTION_BYTES = 128 << 20  # of one; what has more is parked
TOO_LARGE = "size"  # the cause of such a park


def fitting(ids: Sequence[str], sizes: Mapping[str, int]) -> tuple[list[str], dict[str, int]]:
    """Of these, in their order, what one claim takes; and what none ever takes, with its size."""
    too_large = {id: sizes[id] for id in ids if sizes.get(id, 0) > MAX_EXECUTION_BYTES}
    return first_part([id for id in ids if id not in too_large], sizes), too_large


def first_part(ids: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
    """The first of these, as many as one answer may bring, one at least."""
    total = 0
    for place, id in enumerate(ids):
        total += sizes.get(id, 0)
        if place and total > CLAIM_BYTES:
            return list(ids[:place])
    return list(ids)


def too_large(size: int) -> bytes:
    """Why an execution is parked, as a payload."""
    return encode(
        f"its input and records are {size:,} bytes, and what a node takes of one execution is at most "
        f"{MAX_EXECUTION_BYTES:,}; cancel it without undo, and let its steps give references to what is large"
    )
