"""The public surface says what it does: a docstring and a type for every public name; errors are written one way."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import hydra.dashboard
import hydra.errors
import hydra.testing
import pytest

SOURCES = Path(hydra.__file__).parent
ENGINES = (hydra.Engine, hydra.AsyncEngine, hydra.Handle, hydra.AsyncHandle)
ERRORS = {name for name, each in vars(hydra.errors).items() if isinstance(each, type)}
PYTHON_FILES = sorted(SOURCES.rglob("*.py"))


def public_objects() -> Iterator[tuple[str, Any]]:
    """Every function and class that a user may name, with its path."""
    for module in (hydra, hydra.dashboard, hydra.testing):
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isclass(found) or inspect.isroutine(found):
                yield f"{module.__name__}.{name}", found
    for name, found in vars(hydra.aio).items():
        if not name.startswith("_") and getattr(found, "__module__", None) == "hydra.aio" and callable(found):
            yield f"hydra.aio.{name}", found


def public_members(owner: type) -> Iterator[tuple[str, Any]]:
    """The methods and properties of a class that are written in hydra."""
    for name in dir(owner):
        found = inspect.getattr_static(owner, name)
        found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        if not name.startswith("_") and inspect.isfunction(found) and found.__module__.startswith("hydra"):
            yield name, found


def surface() -> list[tuple[str, Any]]:
    found = list(public_objects())
    for path, each in list(found):
        if inspect.isclass(each):
            found += [(f"{path}.{name}", member) for name, member in public_members(each)]
    return found


SURFACE = surface()
FUNCTIONS = [(path, each) for path, each in SURFACE if inspect.isfunction(each)]


def test_every_public_name_has_a_docstring() -> None:
    assert len(SURFACE) > 150
    assert [path for path, each in SURFACE if not (each.__doc__ or "").strip()] == []


def test_every_public_function_is_typed_and_names_its_options() -> None:
    untyped: list[str] = []
    nameless: list[str] = []
    for path, each in FUNCTIONS:
        signature = inspect.signature(inspect.unwrap(each))
        for name, parameter in signature.parameters.items():
            if parameter.annotation is parameter.empty and name not in ("self", "cls"):
                untyped.append(f"{path}({name})")
            if parameter.kind is parameter.VAR_KEYWORD and name != "kwargs":  # `kwargs` are a user's own arguments
                nameless.append(f"{path}(**{name})")
        if signature.return_annotation is signature.empty:
            untyped.append(path)
    assert untyped == []
    assert nameless == []


@pytest.mark.parametrize(
    ("plain", "asynchronous"), [(hydra.Engine, hydra.AsyncEngine), (hydra.Handle, hydra.AsyncHandle)]
)
def test_both_engines_take_the_same_arguments(plain: type, asynchronous: type) -> None:
    ours = dict(public_members(plain))
    for name, member in public_members(asynchronous):
        if name in ours and name != "fork":  # `refuse` of Engine.fork is for `hydra fork`
            assert list(inspect.signature(member).parameters) == list(inspect.signature(ours[name]).parameters), name


def test_the_engines_name_the_errors_of_what_can_be_refused() -> None:
    for owner, names in (
        (hydra.Engine, ("submit", "submit_many", "fork", "get", "find", "complete", "executions", "migrate")),
        (hydra.Handle, ("result", "signal", "retry", "resume", "resolve")),
    ):
        for name in names:
            assert "Raises:" in (getattr(owner, name).__doc__ or ""), f"{owner.__name__}.{name}"


def last_text(node: ast.expr) -> str:
    """The text that a sentence ends with."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values:
        return last_text(node.values[-1])
    return ""


def error_sentences(tree: ast.Module) -> Iterator[ast.expr]:
    """What is given first to each error that is raised or made."""
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) in ERRORS]
    for call in {id(each): each for each in (*raised, *made)}.values():
        if call.args:
            yield call.args[0]


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def test_no_error_ends_with_a_full_stop() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{sentence.lineno}"
        for path in PYTHON_FILES
        for sentence in error_sentences(ast.parse(path.read_text()))
        if last_text(sentence).rstrip().endswith(".") and not last_text(sentence).endswith("..")
    ]
    assert found == []


def test_an_error_that_ends_with_a_full_stop_would_be_found() -> None:
    tree = ast.parse('raise ValueError(f"it is {late}, so it was left.")\nraise ValueError(f"it is {late}")')
    assert [last_text(each).endswith(".") for each in error_sentences(tree)] == [True, False]
