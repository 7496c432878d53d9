"""The JSON Schema of an annotation, as msgspec describes it, with what it leaves out: that a text is a time.

msgspec gives a `datetime` or `time` a format only where it must have a zone. Here each has one.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec
from msgspec import inspect as described

from hydra.values.classes import is_pydantic
from hydra.values.jsonschema import BY_CLASS, BY_MODEL, MADE
from hydra.values.models import schema_of_model

Schema = dict[str, Any]

_MANY = described.ListType | described.SetType | described.FrozenSetType | described.VarTupleType
_FIELDS = described.StructType | described.DataclassType | described.TypedDictType


def schema_of(annotation: Any) -> Schema:
    """Empty where JSON cannot describe it: only a convenience, so it is not checked before the workflow runs."""
    if annotation is Any:
        return {}
    try:
        schema = msgspec.json.schema(annotation, schema_hook=_schema_hook)
        _mark_times(described.type_info(annotation), schema, schema.get("$defs", {}), set())
    except Exception:
        return {}
    return schema


def _schema_hook(cls: type) -> Schema:
    return dict(schema_of_model(cls)) if is_pydantic(cls) else {}


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
