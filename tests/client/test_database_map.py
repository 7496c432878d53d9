"""Which database a namespace lives in, by a mapping or a file of lines."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.database_map import database_map, find_database

SECRET = "s3cret"
A, B, C = "sqlite:////a.db", "sqlite:////b.db", "postgresql://hydra@db0/billing?options=-c%20search_path%3Dx"


def test_a_namespace_goes_by_its_own_entry_then_by_the_pattern_that_fits_then_by_the_rest() -> None:
    found = database_map({"*": C, "eu-*": B, "eu-1": A})
    assert [found.url_of(name) for name in ("eu-1", "eu-2", "us-1", "eu")] == [A, B, C, C]
    assert found.namespaces == ["eu-1"]


def test_a_file_has_a_line_for_each(tmp_path: Path) -> None:
    file = tmp_path / "databases"
    file.write_text(f"# who lives where\n\nshop-1\t{A}  # the first\n  eu-*   {B}\n*   {C}\n")
    found = database_map(file)
    assert found.namespaces == ["shop-1"]
    assert [found.url_of(name) for name in ("shop-1", "eu-2", "x")] == [A, B, C]


def test_a_file_may_begin_with_the_mark_that_some_editors_put_there(tmp_path: Path) -> None:
    file = tmp_path / "databases"
    file.write_text(f"shop-1 {A}\n", encoding="utf-8-sig")
    assert database_map(file).namespaces == ["shop-1"]


def test_a_namespace_without_an_entry_is_one_sentence() -> None:
    with pytest.raises(hydra.ConfigError) as refused:
        hydra.Engine(namespace="shop-2", db_map={"shop-1": A})
    assert str(refused.value) == (
        "the map of databases has no database for namespace `shop-2`; give it an entry, or an entry `*` for all that "
        "have none"
    )


def test_two_patterns_that_fit_are_refused_whatever_their_order() -> None:
    for urls in ({"eu-*": A, "*-1": B}, {"*-1": B, "eu-*": A}):
        with pytest.raises(hydra.ConfigError, match="both fit namespace `eu-1`; give it an entry of its own"):
            database_map(urls).url_of("eu-1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("shop-1\n", "`shop-1` has no URL, in line 1 of the map of databases"),
        (f"a {A}\n\na {B}\n", "`a` has an entry already, in line 3 of the map of databases"),
        (f"a/b {A}\n", "`a/b` is not a namespace; use 1 to 200 letters"),
        (f"a {A} zzz\n", "`a` has more than a URL, in line 1 of .*; write a space in a URL as `%20`"),
        (f"a {A} b {B}\n", "`a` has more than a URL, in line 1"),
        ("a # comes later\n", "`a` has no URL, in line 1"),
        ("", "databases` names no namespace; give it each namespace"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "databases").write_text(text)
    with pytest.raises(hydra.ConfigError, match=sentence):
        hydra.Engine(db_map=tmp_path / "databases")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:{}@h/x\n",
        "postgresql://u:{} 2@h/x\n",
        "postgresql://u:1 {}@h/x\n",
        "a postgresql://u:1 {}@h/x\n",
        "u:{}@h/x a\n",
        "password={} a\n",
        "a postgresql://u:{}@h/x\na postgresql://u:{}@h/x\n",
    ],
)
def test_no_sentence_about_a_file_shows_a_password(tmp_path: Path, text: str) -> None:
    (tmp_path / "databases").write_text(text.replace("{}", SECRET))
    with pytest.raises(hydra.ConfigError, match=r"line [12] of the map of databases") as refused:
        database_map(tmp_path / "databases")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        f"postgresql://u:{SECRET}@h/x",
        f"u:{SECRET}@h/x",
        {f"postgresql://u:{SECRET}@h/x": "shop-1"},
        {f"postgresql://u:{SECRET}@h/x": 7},
        {"shop-1": f"u:{SECRET}@h/x"},
        [("shop-1", f"postgresql://u:{SECRET}@h/x")],
    ],
)
def test_no_sentence_about_what_was_mixed_up_shows_a_password(given: Any) -> None:
    with pytest.raises(hydra.ConfigError) as refused:
        hydra.Engine(namespace="shop-1", db_map=given)
    assert SECRET not in str(refused.value)


def test_an_empty_url_is_told_with_its_namespace() -> None:
    with pytest.raises(hydra.ConfigError, match="namespace `t` has no URL in the map of databases"):
        database_map({"t": ""})


@pytest.mark.parametrize("given", [7, ["a"], {}, {"a": 7}, {7: A}, {"a": ""}, "/no/such/file"])
def test_what_is_no_map_is_one_sentence(given: Any) -> None:
    with pytest.raises(hydra.ConfigError) as refused:
        hydra.Engine(namespace="a", db_map=given)
    assert "map" in str(refused.value)
    assert not str(refused.value).endswith(".")


def test_what_a_program_says_outweighs_variables_and_two_of_a_kind_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "databases").write_text(f"shop {B}\n")
    monkeypatch.setenv("HYDRA_DB_MAP", str(tmp_path / "databases"))
    assert find_database(None, None, "shop") == B
    assert find_database(A, None, "shop") == A
    assert find_database(None, {"*": C}, "shop") == C
    monkeypatch.setenv("HYDRA_DB", C)
    assert find_database(None, {"*": A}, "shop") == A
    for url, db_map in ((None, None), (A, {"*": B})):
        with pytest.raises(hydra.ConfigError, match="give one"):
            find_database(url, db_map, "shop")


def test_engines_of_one_map_write_where_their_namespace_lives(tmp_path: Path) -> None:
    db_map = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two")}
    for name in db_map:
        with hydra.Engine(namespace=name, db_map=db_map) as engine:
            engine.submit(hydra.named("bill").bind(1), key="inv-1")
    for name, url in db_map.items():
        with hydra.Engine(url, name) as engine:
            assert len(engine.executions()) == 1
        other = next(each for each in db_map if each != name)
        with hydra.Engine(url, other) as engine:
            assert engine.executions() == []


def test_an_async_engine_takes_a_map(tmp_path: Path) -> None:
    async def main() -> str:
        async with hydra.AsyncEngine(namespace="x", db_map={"*": f"sqlite:///{tmp_path}/x.db"}) as engine:
            return (await engine.submit(hydra.named("bill").bind(1), key="inv-1")).id

    id = asyncio.run(main())
    with hydra.Engine(f"sqlite:///{tmp_path}/x.db", "x") as engine:
        assert engine.get(id).workflow == "bill"
