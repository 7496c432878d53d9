"""Reads a folder of .sql files. Never builds SQL."""

from __future__ import annotations

import re
from importlib import resources

_GUARD = re.compile(r"^[ \t]*-- guard .*\n|[ \t]*-- guard .*", re.MULTILINE)


def read_folder(package: str, folder: str) -> dict[str, str]:
    """Each file's text by its name, without the marks of `tests/guards`: a database is sent none of them."""
    files = resources.files(package).joinpath(folder).iterdir()
    return {
        file.name.removesuffix(".sql"): _GUARD.sub("", file.read_text("utf-8"))
        for file in files
        if file.name.endswith(".sql")
    }
