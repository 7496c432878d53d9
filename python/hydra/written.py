"""A value that cannot be used, for the sentence that says so."""

from __future__ import annotations

from hydra.interruptions import let_out

LENGTH_MAX = 80


def written(value: object) -> str:
    """As Python writes it, cut short; an int of more digits than that (4,300 unless set otherwise) in hexadecimal, and
    what cannot be written at all by its type."""
    try:
        return repr(value)[:LENGTH_MAX]
    except Exception as error:  # also a `__repr__` of the user's
        let_out(error)
        return hex(value)[:LENGTH_MAX] if isinstance(value, int) else f"<{type(value).__qualname__}>"


def as_text(value: object) -> str:
    """A text as it is, and what should have been one."""
    return value if isinstance(value, str) else written(value)
