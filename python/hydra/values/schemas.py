"""The JSON Schema of an annotation, as msgspec describes it, with what it leaves out: that a text is a time.

msgspec gives a `datetime` or `time` a format only where it must have a zone. Here each has one.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
import types
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect as described

from hydra.values.apart import init_only, is_pydantic_dataclass
from hydra.values.classes import is_pydantic
from hydra.values.jsonschema import A_SECRET, BITS, BY_CLASS, BY_MODEL, MADE
from hydra.values.models import schema_of_model
from hydra.values.secret import Secret

Schema = dict[str, Any]

_MANY = described.ListType | described.SetType | described.FrozenSetType | described.VarTupleType
_MADE_AS = "__hydra_made_as__"  # of a class that stands for a pydantic dataclass
_FIELDS = described.StructType | described.DataclassType | described.TypedDictType


def schema_of(annotation: Any) -> Schema:
    """Empty where JSON cannot describe it: only a convenience, so it is not checked before the workflow runs."""
    if annotation is Any:
        return {}
    try:
        return _schema_of(annotation)
    except Exception:
        pass
    try:  # msgspec writes defaults into a schema, and fails at one that is no JSON, such as pydantic's `Field(…)`
        return _schema_of(_without_defaults(annotation, frozenset()))
    except Exception:
        return {}


def _schema_of(annotation: Any) -> Schema:
    schema = msgspec.json.schema(annotation, schema_hook=_schema_hook)
    _mark_times(described.type_info(annotation), schema, schema.get("$defs", {}), set())
    return schema


def _without_defaults(annotation: Any, seen: frozenset[Any]) -> Any:
    """The same with other dataclasses in it, whose fields have None for a default."""
    if get_origin(annotation) is not None:
        parts = tuple(_without_defaults(each, seen) for each in get_args(annotation))
        is_union = get_origin(annotation) in (Union, types.UnionType)
        return functools.reduce(operator.or_, parts) if is_union else _origin_of(annotation)[parts]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return type(annotation.__name__, (), {_MADE_AS: annotation})
    if not isinstance(annotation, type) or not dataclasses.is_dataclass(annotation):
        return annotation
    if is_pydantic_dataclass(annotation):
        return type(annotation.__name__, (), {_MADE_AS: annotation})
    if annotation in seen or not _is_made_of_its_fields(annotation):
        return Any
    hints = get_type_hints(annotation, include_extras=True)
    fields = [
        (
            each.name,
            _without_defaults(hints[each.name], seen | {annotation}),
            _field(each),
        )
        for each in dataclasses.fields(annotation)
    ]
    return dataclasses.make_dataclass(annotation.__name__, fields)


def _is_made_of_its_fields(cls: Any) -> bool:
    """Whether its constructor takes its fields and nothing else: no InitVar, no field that the class sets itself."""
    return not init_only(cls) and all(field.init for field in dataclasses.fields(cls))


def _origin_of(annotation: Any) -> Any:
    """`get_origin` gives Annotated's as what stands in it."""
    return Annotated if hasattr(annotation, "__metadata__") else get_origin(annotation)


def _field(of: dataclasses.Field[Any]) -> Any:
    is_required = of.default is dataclasses.MISSING and of.default_factory is dataclasses.MISSING
    return dataclasses.field(init=of.init, kw_only=True, default=dataclasses.MISSING if is_required else None)


def _schema_hook(cls: type) -> Schema:
    cls = getattr(cls, _MADE_AS, cls)
    if cls is Secret:
        return dict(A_SECRET)
    if is_pydantic_dataclass(cls):
        return dict(schema_of_model(cls))
    if issubclass(cls, enum.Enum):
        members: Any = cls
        values = [each.value for each in members]
        return {"enum": values} if all(map(_is_json, values)) and not makes_missing(cls) else {}
    return dict(schema_of_model(cls)) if is_pydantic(cls) else {}


def _is_json(value: Any) -> bool:
    return value is None or type(value) in (str, int, bool, float)


def makes_missing(cls: type[enum.Enum]) -> bool:
    """Whether code of its own says what stands for a value that no member has."""
    return not issubclass(cls, enum.Flag) and cls._missing_.__func__ is not enum.Enum._missing_.__func__  # type: ignore[attr-defined]


def _mark_times(kind: described.Type, schema: Schema, definitions: Schema, seen: set[str]) -> None:
    """Walks the type and its schema together, down to models."""
    if schema.get(MADE) == BY_MODEL:
        return
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in seen:
            return
        seen.add(name)
        schema = definitions[name]
    if isinstance(kind, described.DataclassType) and is_pydantic_dataclass(kind.cls):
        if by_model := schema_of_model(kind.cls):  # made by its own validators
            schema.clear()
            schema.update(by_model)
        return
    for inner, its_schema in _parts(kind, schema):
        _mark_times(inner, its_schema, definitions, seen)
    match kind:
        case described.DateTimeType():
            schema["format"] = "date-time"
        case described.TimeType():
            schema["format"] = "time"
        case described.EnumType() if issubclass(kind.cls, enum.Flag):
            schema.pop("enum", None)  # its members may be joined
            schema["type"] = "integer"
            flag: Any = kind.cls
            if flag._boundary_ is enum.STRICT:
                schema[BITS] = flag._flag_mask_
        case described.EnumType() if makes_missing(kind.cls):
            schema.pop("enum", None)
        case described.StructType() | described.DataclassType():
            schema[MADE] = BY_CLASS


def _parts(kind: described.Type, schema: Schema) -> list[tuple[described.Type, Schema]]:
    match kind:
        case described.Metadata():
            return [(kind.type, schema)]
        case described.UnionType():
            # Structs come last in the schema, and together where there are several; null stands anywhere.
            members = [member for member in kind.types if not isinstance(member, described.NoneType)]
            members.sort(key=lambda member: isinstance(member, described.StructType))
            groups = schema.get("anyOf", ())
            options = [
                each for group in groups for each in (group.get("anyOf", [group]) if MADE not in group else [group])
            ]
            return list(zip(members, [each for each in options if each != {"type": "null"}], strict=False))
        case described.DictType() if isinstance(schema.get("additionalProperties"), dict):
            return [(kind.value_type, schema["additionalProperties"])]
        case described.TupleType():
            return list(zip(kind.item_types, schema.get("prefixItems", ()), strict=False))
        case described.NamedTupleType():
            return [(field.type, its) for field, its in zip(kind.fields, schema.get("prefixItems", ()), strict=False)]
        case _ if isinstance(kind, _MANY) and isinstance(schema.get("items"), dict):
            return [(kind.item_type, schema["items"])]
        case _ if isinstance(kind, _FIELDS) and "properties" in schema:
            properties = schema["properties"]
            return [(field.type, properties[field.encode_name]) for field in kind.fields]
    return []
