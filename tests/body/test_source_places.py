"""The line of the user's code that an error came from: never one of hydra's or of Python's own."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation

import hydra
import pytest
from hydra.body.source_places import place_of_error


def read(text: str) -> object:
    return json.loads(text)


def test_it_is_the_users_line_where_pythons_library_raised() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        read("{")
    assert place_of_error(caught.value) == f"{__file__}:{read.__code__.co_firstlineno + 1} in `read`"


def test_it_is_the_innermost_of_the_users() -> None:
    def parse() -> Decimal:
        return Decimal("much")

    with pytest.raises(InvalidOperation) as caught:
        parse()
    assert place_of_error(caught.value).endswith(f":{parse.__code__.co_firstlineno + 1} in `parse`")


def test_hydras_own_lines_are_none() -> None:
    def ask() -> None:
        hydra.current()

    with pytest.raises(hydra.HydraError) as caught:
        ask()
    assert place_of_error(caught.value).endswith("in `ask`")
