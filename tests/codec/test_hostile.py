"""G7, G10: the time an encoding takes grows with the size of the value, whatever its shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hydra import codec
from hydra.errors import PayloadError

SHAPES: dict[str, Callable[[Any], Any]] = {
    "a key with a dollar, last": lambda inner: {"a": inner, "$ref": 0},
    "a key with a dollar, first": lambda inner: {"$ref": 0, "a": inner},
    "a key that is a number": lambda inner: {"a": inner, 1: 0},
    "keys out of order": lambda inner: {"b": inner, "a": 0},
    "sets in sets": lambda inner: frozenset({inner, 1}) if isinstance(inner, (int, frozenset)) else inner,
    "pairs in lists": lambda inner: [{"a": [inner], ("b",): 1}, 1],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_g7_a_deep_value_of_any_shape_is_encoded_at_all(shape: str) -> None:
    """Twice the work at each level, as it once was, would not end within the life of the machine."""
    value: Any = 0
    for _ in range(160):
        value = SHAPES[shape](value)
    payload, digest = codec.encode_with_digest(value)
    assert codec.decode(payload) == value
    assert codec.encode_with_digest(codec.decode(payload))[1] == digest


def test_g7_a_webhook_of_sixty_references_costs_what_its_size_costs() -> None:
    value: Any = {"event": "paid"}
    for _ in range(60):
        value = {"a": value, "$ref": 0}
    assert len(codec.encode(value)) < 2_000
    with pytest.raises(PayloadError, match="nested more than 512 deep"):
        for _ in range(512):
            value = {"a": value, "$ref": 0}
        codec.encode(value)
