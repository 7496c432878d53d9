"""CPython 3.12.0 to 3.12.3 compile a name wrongly that one comprehension of a function binds and another one reads from
outside, such as the builtin `id`: the second raises an UnboundLocalError (gh-118513; of closures gh-156664, later too).

    took = {id for id, _ in rows} … [id(each) for each in found]
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INLINED = (ast.ListComp, ast.SetComp, ast.DictComp)
OF_THEIR_OWN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def shadowed(function: Function) -> Iterator[str]:
    """The names that it reads from outside and that a comprehension in it binds, each with its line."""
    bound: set[str] = set()
    own = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    read: list[tuple[str, int]] = []

    def look(node: ast.AST, hidden: frozenset[str]) -> None:
        if isinstance(node, OF_THEIR_OWN):
            return
        if isinstance(node, INLINED):
            targets = {
                name.id
                for generator in node.generators
                for name in ast.walk(generator.target)
                if isinstance(name, ast.Name)
            }
            bound.update(targets)
            hidden |= targets
        if isinstance(node, ast.Name) and node.id not in hidden:
            if isinstance(node.ctx, ast.Load):
                read.append((node.id, node.lineno))
            else:
                own.add(node.id)
        for child in ast.iter_child_nodes(node):
            look(child, hidden)

    for child in ast.iter_child_nodes(function):
        look(child, frozenset())
    return (f"`{name}` in line {line}" for name, line in read if name in bound - own)


def shadowed_in(source: str) -> list[str]:
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Function)]
    return [found for function in functions for found in shadowed(function)]


@pytest.mark.parametrize("folder", ["python", "examples"])
def test_no_comprehension_binds_a_name_that_its_function_reads_from_outside(folder: str) -> None:
    paths = [path for path in sorted((ROOT / folder).rglob("*.py")) if ".venv" not in path.parts]
    assert paths
    assert {str(path): found for path in paths if (found := shadowed_in(path.read_text()))} == {}


def test_it_finds_one() -> None:
    source = "def f(rows, found):\n    took = {id for id, _ in rows}\n    return [id(each) in took for each in found]"
    assert shadowed_in(source) == ["`id` in line 3"]
    assert shadowed_in(source.replace("{id for id, _", "{one for one, _")) == []
