"""Users' classes by the name that is recorded of them, and how objects of each kind are taken apart.

A class of the program that was started (`python app.py`) is recorded under the name that others import it by, and is
looked for in that program first: so it is one class, not two. `describe` is called by `_core`, once for each class.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hydra.interruptions import let_out
from hydra.values.known import KNOWN, NAMES, hint_for

MAIN = ("__main__", "__mp_main__")


class Description(typing.NamedTuple):
    """How objects of a class become payloads."""

    kind: str  # enum, namedtuple, fields (dataclass, Struct), model (pydantic), known (of Python's own)
    path: str
    names: tuple[str, ...] = ()  # of its fields
    parts_of: Callable[[Any], Any] | None = None  # a model's fields; the plain parts of a known class
    state_of: Callable[[Any], dict[str, Any] | None] | None = None  # what an object carries beside its fields
    refusal: str = ""  # why no object of it is taken
    local: str = ""  # why it is found again only where an annotation names it
    is_to_prove: bool = False  # its own code decides whether an object comes back


def is_object_class(cls: type) -> bool:
    """Whether the class is a dataclass, a msgspec Struct or a pydantic model."""
    return dataclasses.is_dataclass(cls) or issubclass(cls, msgspec.Struct) or is_pydantic(cls)


def is_pydantic(cls: type) -> bool:
    """Whether the class is a pydantic model; pydantic is never imported to find out."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def describe(cls: type) -> Description:
    """Works out a class; what cannot be taken is told in a sentence that says what to use."""
    if cls in NAMES:
        return Description("known", NAMES[cls], parts_of=KNOWN[NAMES[cls]].parts_of)
    path = path_of(cls)
    local = "" if find_class(path) is cls else _why_local(path)
    if issubclass(cls, enum.Enum):
        return Description("enum", path, local=local)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return Description("namedtuple", path, local=local)
    if not is_object_class(cls):
        return Description("", path, refusal=hint_for(cls))
    if issubclass(cls, BaseException) or not _is_made_of_fields(cls):
        what = "an exception" if issubclass(cls, BaseException) else "more than its fields"
        refusal = f"`{path}` is a dataclass and {what}, which cannot be encoded; return a class of fields alone"
        return Description("", path, refusal=refusal)
    if is_pydantic(cls):
        fields = frozenset(cls.model_fields)  # type: ignore[attr-defined]
        fields_of = functools.partial(_fields_of_model, names=fields)
        state_of_model = functools.partial(_state_of_model, names=fields)
        names = tuple(cls.model_fields)  # type: ignore[attr-defined]
        return Description("model", path, names, fields_of, state_of_model, "", local)
    if issubclass(cls, msgspec.Struct):
        names = tuple(cls.__struct_fields__)
        is_to_prove = hasattr(cls, "__post_init__")  # it is made by its constructor, which may refuse
    else:
        names = tuple(field.name for field in dataclasses.fields(typing.cast(Any, cls)))
        is_to_prove = any(is_computed(cls, name) for name in names)
    has_dict = getattr(cls, "__dictoffset__", 0) != 0
    state_of = functools.partial(_state_beside, names=frozenset(names)) if has_dict else None
    return Description("fields", path, names, None, state_of, "", local, is_to_prove)


def path_of(cls: type) -> str:
    """`module:Class.Inner`, by which others find it."""
    module = cls.__module__
    return f"{main_name() if module in MAIN else module}:{cls.__qualname__}"


def main_name() -> str:
    """The name by which others import the program that was started; `__main__` where nobody can."""
    return _name_of_main(sys.modules.get("__main__"))


@functools.lru_cache(maxsize=8)
def _name_of_main(main: Any) -> str:
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = Path(getattr(main, "__file__", None) or "")
    return file.stem if file.suffix == ".py" and file.stem.isidentifier() else "__main__"


def find_class(path: str) -> type | None:
    """The class of that name, its module imported if need be; None where there is none."""
    found = find(path)
    if isinstance(found, type):
        return found
    head, bracket, _ = path.partition("[")
    if bracket and isinstance(generic := find(head), type):
        # A pydantic model with its type variables filled in has no place in its module.
        return find_among(generic, path)
    return None


def find(path: str) -> Any:
    """What `package.module:Qualified.Name` names, or None."""
    module_name, _, qualified_name = path.partition(":")
    names = qualified_name.split(".")
    if module_name in MAIN or module_name == main_name():
        found = _attribute(sys.modules.get("__main__"), names)
        if found is not None or module_name in MAIN:
            return found
        # The program that was started is never imported a second time: its steps and globals would be other ones.
        return _attribute(sys.modules.get(module_name), names)
    module = sys.modules.get(module_name)
    if module is None:
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # a module's own code runs when it is imported
            let_out(error)
            return None
    return _attribute(module, names)


def find_among(root: type, path: str) -> type | None:
    """The class of that name among a class and its subclasses."""
    if path_of(root) == path:
        return root
    subclasses: list[type] = type.__subclasses__(root)
    for subclass in subclasses:
        found = find_among(subclass, path)
        if found is not None:
            return found
    return None


def _attribute(found: Any, names: list[str]) -> Any:
    try:
        for name in names:
            found = getattr(found, name)
    except Exception as error:  # a module may have a `__getattr__` of its own
        let_out(error)
        return None
    return found


def _why_local(path: str) -> str:
    return (
        f"an object of the class `{path}` cannot be made again, since no class is found by that name; define it at the "
        "top of a module that can be imported, or name it in the annotation of the workflow or step"
    )


def _is_made_of_fields(cls: type) -> bool:
    """Whether its objects hold nothing that only a constructor of Python's own could put there."""
    if issubclass(cls, msgspec.Struct):
        return True
    try:
        object.__new__(cls)
    except TypeError as error:
        let_out(error)
        # An abstract class has no objects, so whoever asks has one of a class that is not.
        return False
    return True


def is_computed(cls: type, name: str) -> bool:
    """Whether setting the field runs code of the class (a property; a slot does not)."""
    attribute = getattr(cls, name, None)
    return hasattr(type(attribute), "__set__") and type(attribute).__name__ != "member_descriptor"


def _state_beside(value: Any, *, names: frozenset[str]) -> dict[str, Any] | None:
    """What a dataclass or Struct has in its `__dict__` beside its fields; not what it can compute again."""
    cls = type(value)
    beside = {
        name: item
        for name, item in vars(value).items()
        if name not in names
        and name != "__orig_class__"  # of one made by `Box[int](1)`: an annotation, which is no value
        and not isinstance(getattr(cls, name, None), functools.cached_property)
    }
    return {"more": beside} if beside else None


def _fields_of_model(value: Any, *, names: frozenset[str]) -> dict[str, Any]:
    """By the fields' own names, whatever their aliases; with the fields of its own making that a model may allow."""
    extra = value.__pydantic_extra__
    attributes: dict[str, Any] = value.__dict__
    if not extra and attributes.keys() == names:
        return attributes
    fields = {name: item for name, item in attributes.items() if name in names}
    for name, item in (extra or {}).items():
        if name in fields:
            raise ValueError(f"the model has a field and a value of its own making of one name, `{name}`; rename one")
        fields[name] = item
    return fields


def _state_of_model(value: Any, *, names: frozenset[str]) -> dict[str, Any] | None:
    """Which fields were set, unless all were, and the private attributes."""
    was_set, private = value.__pydantic_fields_set__, value.__pydantic_private__
    if not private and was_set == names:
        return None
    state: dict[str, Any] = {}
    if was_set != _fields_of_model(value, names=names).keys():
        state["set"] = sorted(was_set)
    if private:
        state["private"] = dict(private)
    return state or None
