"""The JSON Schema of a pydantic model, from its core schema: what pydantic would surely refuse, and no more.

pydantic reads generously (a text for an int, a time stamp for a date) and runs validators of the user's own. So each
kind of value has all forms that it is read from, and what code decides (a validator before the field's, a constructor,
a type that is not known here) admits anything: a sender refuses no argument that the workflow would take, but for an
enum's member in the place of another type.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

from hydra.blocks import contextmanager
from hydra.values.jsonschema import A_SECRET, AMONG, BY_MODEL, DIGITS, FINITE, MADE, PLACES
from hydra.values.secret import NAME as SECRET_NAME

Schema = dict[str, Any]

MAX_MODEL_COUNT = 1024
_LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_SIZES_OF_DECIMALS = {"max_digits": DIGITS, "decimal_places": PLACES}
_TEXT, _NULL, _TRUE_OR_FALSE = {"type": "string"}, {"type": "null"}, {"type": "boolean"}


@functools.lru_cache(maxsize=MAX_MODEL_COUNT)
def schema_of_model(cls: Any) -> Schema:
    """With definitions of its own. Empty where the model cannot be completed yet."""
    if not cls.__pydantic_complete__ and not (hasattr(cls, "model_rebuild") and cls.model_rebuild(raise_errors=False)):
        return {}
    return _Outline().read_root(cls.__pydantic_core_schema__)


class _Outline:
    """One walk through a core schema. A definition is named by its number: its own name is of this process."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}
        self._definitions: Schema = {}
        self._configs: list[Schema] = [{}]

    def read_root(self, core: Schema) -> Schema:
        found = self.read(core)
        return {MADE: BY_MODEL, **found, "$defs": self._definitions} if self._definitions else {MADE: BY_MODEL, **found}

    def read(self, core: Any) -> Schema:
        if SECRET_NAME in core.get("metadata", ()):
            return dict(A_SECRET)
        found = getattr(self, f"read_{core['type'].replace('-', '_')}", None)
        return cast(Schema, found(core)) if found is not None else {}

    # what is around a value

    def read_definitions(self, core: Schema) -> Schema:
        for each in core["definitions"]:
            self._definitions[self._name(each["ref"])] = self.read(each)
        return self.read(core["schema"])

    def read_definition_ref(self, core: Schema) -> Schema:
        return {"$ref": f"#/$defs/{self._name(core['schema_ref'])}"}

    def _name(self, reference: str) -> str:
        return self._numbers.setdefault(reference, str(len(self._numbers) + 1))

    def read_default(self, core: Schema) -> Schema:
        return self.read(core["schema"])

    read_function_after = read_custom_error = read_default

    def read_nullable(self, core: Schema) -> Schema:
        return {"anyOf": [self.read(core["schema"]), _NULL]}

    def read_chain(self, core: Schema) -> Schema:
        return self.read(core["steps"][0])

    def read_lax_or_strict(self, core: Schema) -> Schema:
        return self.read(core["lax_schema"])

    def read_json_or_python(self, core: Schema) -> Schema:
        return self.read(core["python_schema"])

    def read_union(self, core: Schema) -> Schema:
        choices = [each[0] if isinstance(each, tuple) else each for each in core["choices"]]
        return {"anyOf": [self.read(each) for each in choices]}

    def read_tagged_union(self, core: Schema) -> Schema:
        return {"anyOf": [self.read(each) if isinstance(each, dict) else {} for each in core["choices"].values()]}

    # objects

    @contextmanager
    def _within(self, config: Schema) -> Iterator[None]:
        self._configs.append(config)
        try:
            yield
        finally:
            self._configs.pop()

    def read_model(self, core: Schema) -> Schema:
        if core.get("custom_init"):
            return {}
        with self._within(core.get("config", {})):
            return self.read(core["schema"])

    def read_dataclass(self, core: Schema) -> Schema:
        own = core.get("config", {})
        inherited = {name: each for name, each in self._configs[-1].items() if name != "extra_fields_behavior"}
        return self.read_model({**core, "config": {**inherited, **own}})

    def read_model_fields(self, core: Schema) -> Schema:
        fields = core["fields"]
        required = {name for name, each in fields.items() if each["schema"]["type"] != "default"}
        return self._object(core, fields, required)

    def read_typed_dict(self, core: Schema) -> Schema:
        total = core.get("total", True)
        fields = core["fields"]
        required = {name for name, each in fields.items() if each.get("required", total)}
        with self._within({**self._configs[-1], **core.get("config", {})}):
            return self._object(core, fields, required)

    def read_dataclass_args(self, core: Schema) -> Schema:
        fields = {each["name"]: each for each in core["fields"] if each.get("init", True)}
        required = {name for name, each in fields.items() if each["schema"]["type"] != "default"}
        return self._object(core, fields, required)

    def _object(self, core: Schema, fields: dict[str, Any], required: set[str]) -> Schema:
        config = self._configs[-1]
        reads_names = any(config.get(each) for each in ("validate_by_name", "populate_by_name"))
        properties: Schema = {}
        needed: list[str] = []
        is_open = (core.get("extra_behavior") or config.get("extra_fields_behavior")) != "forbid"
        for name, each in fields.items():
            alias = each.get("validation_alias")
            if alias is not None and not isinstance(alias, str):  # several, or a path into the object
                is_open = True
                continue
            names = [alias, name] if reads_names and alias not in (None, name) else [alias or name]
            for known in names:
                # Two fields may have a name in common, one as its alias; and beside an alias the name is passed over.
                is_sure = known not in properties and (known != name or len(names) == 1)
                properties[known] = self.read(each["schema"]) if is_sure else {}
            if name in required and len(names) == 1:
                needed += names
        return {"type": "object", "properties": properties, "required": needed, "additionalProperties": is_open}

    def read_dict(self, core: Schema) -> Schema:
        values = core.get("values_schema")
        return {"type": "object", "additionalProperties": True if values is None else self.read(values)}

    def read_list(self, core: Schema) -> Schema:
        sizes = {"min_length": "minItems", "max_length": "maxItems"}
        return self._items(core) | {name: core[each] for each, name in sizes.items() if core.get(each) is not None}

    def _items(self, core: Schema) -> Schema:
        items = core.get("items_schema")
        return {"type": "array"} if items is None else {"type": "array", "items": self.read(items)}

    read_set = read_frozenset = _items

    def read_tuple(self, core: Schema) -> Schema:
        items, rest = core["items_schema"], core.get("variadic_item_index")
        if rest is None:
            found = [self.read(each) for each in items]
            return {"type": "array", "prefixItems": found, "minItems": len(found), "maxItems": len(found)}
        if len(items) == 1:
            return {"type": "array", "items": self.read(items[0])}
        return {"type": "array"}

    # plain values, in every form that they are read from

    def read_int(self, core: Schema) -> Schema:
        limits = _limits(core)
        if type(core.get("multiple_of")) is int:
            limits["multipleOf"] = core["multiple_of"]
        text = {**_TEXT, "format": "integer", "x-is": "an integer", **limits}
        number = {"type": "number", "multipleOf": 1, "x-is": "an integer", **limits}
        truth = {**_TRUE_OR_FALSE, **limits}
        return {"x-is": "an integer", "anyOf": [{"type": "integer", **limits}, number, text, truth]}

    def read_float(self, core: Schema) -> Schema:
        finite = {} if self._takes_infinity(core, True) else {FINITE: True}
        number = {"type": "number", **_limits(core), **finite}
        text = {**_TEXT, "format": "float", "x-is": "a number", **finite}
        return {"x-is": "a number", "anyOf": [number, text, _TRUE_OR_FALSE]}

    def read_decimal(self, core: Schema) -> Schema:
        limits = _limits(core)
        limits |= {name: core[each] for each, name in _SIZES_OF_DECIMALS.items() if core.get(each) is not None}
        if not self._takes_infinity(core, False):
            limits[FINITE] = True
        text = {**_TEXT, "format": "decimal", "x-is": "a decimal", **limits}
        return {"x-is": "a decimal", "anyOf": [{"type": "number", **limits}, text]}

    def _takes_infinity(self, core: Schema, usually: bool) -> bool:
        found = core.get("allow_inf_nan", self._configs[-1].get("allow_inf_nan"))
        return usually if found is None else bool(found)

    def read_bool(self, core: Schema) -> Schema:
        text = {**_TEXT, "format": "boolean", "x-is": "a boolean"}
        return {"x-is": "a boolean", "anyOf": [_TRUE_OR_FALSE, {"enum": [0, 1]}, text]}

    def read_str(self, core: Schema) -> Schema:
        config = self._configs[-1]
        if core.get("coerce_numbers_to_str") or config.get("coerce_numbers_to_str"):
            return {}
        changes = ("strip_whitespace", "to_lower", "to_upper")
        if any(core.get(each) or config.get(f"str_{each}") for each in changes):
            return dict(_TEXT)
        sizes = {"min_length": "minLength", "max_length": "maxLength"}
        return _TEXT | {name: core[each] for each, name in sizes.items() if core.get(each) is not None}

    def read_bytes(self, core: Schema) -> Schema:
        return dict(_TEXT)

    read_url = read_multi_host_url = read_json = read_bytes

    def read_uuid(self, core: Schema) -> Schema:
        return {**_TEXT, "format": "uuid", "x-is": "a UUID"}

    def read_date(self, core: Schema) -> Schema:
        return _time_of("a date")

    def read_datetime(self, core: Schema) -> Schema:
        return _time_of("a date and time")

    def read_time(self, core: Schema) -> Schema:
        return _time_of("a time")

    def read_timedelta(self, core: Schema) -> Schema:
        return _time_of("a duration")

    def read_none(self, core: Schema) -> Schema:
        return _NULL

    def read_literal(self, core: Schema) -> Schema:
        return {"enum": list(core["expected"])} if all(map(_is_plain, core["expected"])) else {}

    def read_enum(self, core: Schema) -> Schema:
        values = [each.value for each in core["members"]]
        if core.get("missing") is not None or not all(map(_is_plain, values)):
            return {}
        if core.get("sub_type") == "int":  # read as a number first, so from a text, too
            return {"anyOf": [{"enum": values}, {**_TEXT, "format": "integer", "x-is": "an integer", AMONG: values}]}
        return {"enum": values}


def _time_of(what: str) -> Schema:
    return {"x-is": what, "anyOf": [{**_TEXT, "format": "time-like", "x-is": what}, {"type": "number"}, _TRUE_OR_FALSE]}


def _limits(core: Schema) -> Schema:
    """As JSON's numbers, where those say the same."""
    found: Schema = {}
    for name, of_schema in _LIMITS.items():
        limit = core.get(name)
        if type(limit) is int or type(limit) is float:
            found[of_schema] = limit
        elif type(limit) is Decimal and limit.is_finite() and Decimal(repr(float(limit))) == limit:
            found[of_schema] = float(limit)
    return found


def _is_plain(value: Any) -> bool:
    return type(value) in (str, int, bool) or value is None
