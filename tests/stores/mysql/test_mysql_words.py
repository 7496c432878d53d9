"""What MariaDB takes for a name, MySQL 8 may take for a word of its own: such a name stands in backquotes, or has a
table before it."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from hydra.stores.mysql.statements import read_statements

# Reserved by MySQL 8 and later, and free on MariaDB.
WORDS = (
    "cube|cume_dist|dense_rank|empty|first_value|function|grouping|groups|json_table|lag|last_value|lateral|lead|manual"
    "|nth_value|ntile|parallel|percent_rank|qualify|rank|row_number|system|tablesample|window"
)
NAMED = re.compile(rf"(?<![.`\w])({WORDS})(?![`\w]| *\()")
TEXT = re.compile(r"'[^']*'")


@pytest.mark.parametrize("folder", ["audits", "migrations", "sql"])
def test_no_name_is_a_word_of_mysql_8(folder: str) -> None:
    assert files("hydra.stores.mysql").joinpath(folder).is_dir()
    statements = read_statements(folder)
    assert statements
    found = {name: NAMED.findall(TEXT.sub("''", text)) for name, text in statements.items()}
    assert {name: words for name, words in found.items() if words} == {}
