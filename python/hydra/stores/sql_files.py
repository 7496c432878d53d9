"""Reads a folder of .sql files. Never builds SQL."""

from __future__ import annotations

import re
from importlib import resources

UPWARDS = "_upwards"
_GUARD = re.compile(r"^[ \t]*-- guard .*\n|[ \t]*-- guard .*", re.MULTILINE)

_NEWEST_FIRST = re.compile(r"^order by .* desc$", re.MULTILINE)


def with_lists_upwards(texts: dict[str, str]) -> dict[str, str]:
    """These, and of each `list_…`, which goes from the newest end, `list_…_upwards`, which goes from the oldest."""
    lists = {name: text for name, text in texts.items() if name.startswith("list_")}
    return texts | {name + UPWARDS: _NEWEST_FIRST.sub(_oldest_first, text) for name, text in lists.items()}


def _oldest_first(order: re.Match[str]) -> str:
    return order[0].replace(" desc", "")


def read_folder(package: str, folder: str) -> dict[str, str]:
    """Each file's text by its name, without the marks of `tests/guards`: a database is sent none of them."""
    files = resources.files(package).joinpath(folder).iterdir()
    return {
        file.name.removesuffix(".sql"): _GUARD.sub("", file.read_text("utf-8"))
        for file in files
        if file.name.endswith(".sql")
    }
