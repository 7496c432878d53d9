"""What JSON, or Python's own printing, has no place for is shown all the same, wherever a value is (G10)."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import PayloadError
from hydra.client.plain_json import encode_json
from hydra.dashboard.openapi import document

from tests.cli.invoking import run
from tests.dashboard.conftest import browser_of, program_of
from tests.processes.scene import until

LONG = -(10**5000)  # of more digits than Python writes
DEPTH = 490  # a payload may be nested 512 deep, and the arguments, or what is around a step's result, are levels, too
KINDS = ["long", "nested", "nested dict", "keys"]


def odd(kind: str) -> Any:
    if kind == "keys":
        return {(1, 2): "pair", None: "none", True: "true", frozenset({3}): "set", LONG: {LONG}}
    if kind == "long":
        return [LONG, 2**70, 1]
    value: Any = 1
    for _ in range(DEPTH):
        value = [value] if kind == "nested" else {"a": value}
    return value


@hydra.step
def odd_report(value: Any) -> Any:
    hydra.heartbeat(value)
    return value


@hydra.workflow
def odd_values(kind: str, value: Any) -> Any:
    odd_report(odd(kind))
    hydra.wait_event("said", type=int)
    return odd(kind)


@hydra.workflow
def odd_text(value: str) -> None: ...


@hydra.workflow
def odd_decimal(value: Decimal) -> None: ...


@hydra.workflow
def odd_list(value: list[date]) -> None: ...


@hydra.workflow
def odd_duration(value: timedelta) -> None: ...


@hydra.workflow(limits=[hydra.Concurrency(1, key="value", name="odd_limit")])
def odd_limited(value: int) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
def test_g10_every_value_is_shown_by_the_command_line_the_api_and_the_page(
    own: hydra.Engine, tmp_path: Path, kind: str
) -> None:
    url = f"sqlite:///{tmp_path}/own.db"
    with own.worker():
        handle = own.submit(odd_values.bind(kind, odd(kind)))
        handle.signal("said", odd(kind))  # it fits nobody: it is set aside
        until(lambda: handle.status() == "waiting")
        check_shown(own, url, handle.id)
        handle.signal("said", 1)
        handle.result(timeout=60)
    check_shown(own, url, handle.id)
    result = json.loads(run(url, "result", handle.id).stdout)
    assert program_of(own).get(f"/api/v1/executions/{handle.id}/result").json()["result"] == result
    if kind == "long":
        assert (int(result[0], 0), *result[1:]) == (LONG, 2**70, 1), "no digit is lost"
    elif kind == "keys":
        assert list(result.values())[:4] == ["pair", "none", "true", "set"]
    else:
        assert result == odd(kind)


def check_shown(engine: hydra.Engine, url: str, id: str) -> None:
    for arguments in (("show", id), ("why", id), ("list",)):
        run(url, *arguments)
        json.loads(run(url, *arguments, "--json").stdout)
    assert browser_of(engine).get(f"/executions/{id}").status_code == 200
    program = program_of(engine)
    paths = [path.replace("{id}", id) for path, ways in document()["paths"].items() if "get" in ways and "{id}" in path]
    codes = {path: program.get(path).status_code for path in paths}
    assert len(codes) > 1 and set(codes.values()) <= {200, 202}, codes


@pytest.mark.parametrize("kind", KINDS)
def test_g7_a_value_that_does_not_fit_is_refused_in_one_sentence_whatever_it_is(own: hydra.Engine, kind: str) -> None:
    for strict in (odd_text, odd_decimal, odd_list, odd_duration):
        for value in (odd(kind), [odd(kind)], {"value": odd(kind)}, {LONG: LONG}):
            with pytest.raises(PayloadError) as caught:
                own.submit(strict.bind(value))
            said = str(caught.value).partition("`: `value")[2]
            assert 0 < len(said) < 200 and "\n" not in said, caught.value


def test_g7_a_limits_key_of_too_many_digits_is_refused_in_one_sentence(own: hydra.Engine) -> None:
    with pytest.raises(PayloadError, match="the key of limit `odd_limit` is a whole number of more digits"):
        own.submit(odd_limited.bind(LONG))


def test_json_has_the_same_forms_whatever_stands_beside_a_value() -> None:
    plain = {"took": timedelta(days=1), "at": Decimal("1.50"), "nan": float("nan"), "bytes": b"x", 1: "one"}
    alone, beside = json.loads(encode_json(plain)), json.loads(encode_json({**plain, "odd": {(1, 2): LONG}}))
    assert {**alone, "odd": {"[1,2]": hex(LONG)}} == beside
