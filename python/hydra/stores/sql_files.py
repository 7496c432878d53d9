"""Reads a folder of .sql files. Never builds SQL."""

from __future__ import annotations

import re
from importlib import resources

UPWARDS = "_upwards"
LAST_OF = "last_of_"
SORTED = ("list_by_time", "list_by_range", "list_running")
_GUARD = re.compile(r"^[ \t]*-- guard .*\n|[ \t]*-- guard .*", re.MULTILINE)

_NEWEST_FIRST = re.compile(r"^ *order by .* desc$", re.MULTILINE)


def with_lists_upwards(texts: dict[str, str]) -> dict[str, str]:
    """These, and of each `list_…`, which goes from the newest end, `list_…_upwards`, which goes from the oldest.

    Of both `last_of_list_…`: how many it has, and the last of them; not of lists that sort what little they have.
    """
    lists = {name: text for name, text in texts.items() if name.startswith("list_")}
    lists |= {name + UPWARDS: _NEWEST_FIRST.sub(_oldest_first, text) for name, text in lists.items()}
    walks = {name: text for name, text in lists.items() if name.removesuffix(UPWARDS) not in SORTED}
    return texts | lists | {LAST_OF + name: _last_of(name, text) for name, text in walks.items()}


def _last_of(name: str, text: str) -> str:
    last = "max" if name.endswith(UPWARDS) else "min"
    head, _, body = text.partition("select ")
    return f"{head}with walked (id) as (\nselect {body})\nselect count(*), {last}(id)\nfrom walked\n"


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
