"""A workflow's arguments from JSON that a person or a program wrote, by the signature that a node recorded.

It needs nobody's code. JSON has no decimals, dates or bytes: where the signature names one, its text becomes one.
Objects stay objects; the worker makes dataclasses, enums and models of them. What the signature calls secret is one at
once, so that it is shown nowhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

from hydra.codec import check_json_against
from hydra.errors import PayloadError
from hydra.interruptions import let_out
from hydra.stores.workflow_info import WorkflowInfo
from hydra.values.jsonschema import BY_MODEL, MADE, SECRET, read_text
from hydra.values.numbers import as_wanted, read_number
from hydra.values.secret import Secret

Call = tuple[list[Any], dict[str, Any]]


def parse_json(text: str, read_float: Callable[[str], Any] = read_number) -> Any:
    """Exact: a number with a fraction that a float cannot hold is a Decimal; no name stands twice in an object."""
    try:
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=read_float, object_pairs_hook=_refuse_repeated
        )
    except RecursionError:
        raise PayloadError(f"`{shorten(text)}` is nested too deep") from None
    except _Repeated as error:
        raise PayloadError(f"`{shorten(text)}` says `{shorten(error.name)}` twice in one object; say it once") from None
    except (ValueError, ArithmeticError) as error:
        let_out(error)
        raise PayloadError(f"`{shorten(text)}` is not JSON: {error}") from None


def repeated_name(text: str) -> str | None:
    """The first name that stands twice in one object of a JSON text, at any depth."""
    try:
        json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_refuse_repeated)
    except _Repeated as error:
        return error.name
    except ValueError:  # no JSON: told where it is read
        return None
    return None


def read_call(text: str, workflow: WorkflowInfo | None) -> Call:
    """The arguments of a call: an object is keyword arguments, an array positional ones."""
    value = parse_json(text)
    if not isinstance(value, dict | list):
        raise PayloadError(f"`{shorten(text)}` is not an object (keyword arguments) or an array (positional arguments)")
    if workflow is not None:
        signature = json.loads(workflow.signature)
        try:
            check_json_against(signature, parse_json(text, float))
        except PayloadError as error:
            raise PayloadError(f"the arguments do not fit workflow `{workflow.name}`: {error}") from None
        try:
            value = _with_schemas(value, signature["parameters"], as_wanted)
            value = _with_schemas(value, signature["parameters"], _typed)
        except RecursionError:
            raise PayloadError(f"the arguments for workflow `{workflow.name}` are nested too deep") from None
    return (value, {}) if isinstance(value, list) else ([], value)


def shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _with_schemas(value: Any, parameters: list[dict[str, Any]], read: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """Each argument read by the schema of its parameter; those without one, which the check refuses, as they are."""
    if isinstance(value, dict):
        schemas = {parameter["name"]: parameter["schema"] for parameter in parameters}
        more = _schema_of_more(parameters, "more_keyword")
        return {name: read(item, schemas.get(name, more)) for name, item in value.items()}
    positional = [p["schema"] for p in parameters if p["kind"] in ("positional", "any")]
    more = _schema_of_more(parameters, "more_positional")
    positional += [more] * (len(value) - len(positional))
    return [read(item, schema) for item, schema in zip(value, positional, strict=False)]


def _schema_of_more(parameters: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The schema of `*args` or `**kwargs`; anything goes where there is none."""
    found: list[dict[str, Any]] = [parameter["schema"] for parameter in parameters if parameter["kind"] == kind]
    return found[0] if found else {}


def _typed(value: Any, schema: dict[str, Any]) -> Any:
    return _Reader(schema.get("$defs", {})).read(value, schema)


class _Reader:
    """Walks a value and its schema together."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions

    def read(self, value: Any, schema: dict[str, Any]) -> Any:
        if schema.get(MADE) == BY_MODEL:
            return _SecretsOfModel(schema.get("$defs", self._definitions)).read_model(value, schema)
        if "$ref" in schema:
            return self.read(value, self._definitions.get(schema["$ref"].rpartition("/")[2], {}))
        if SECRET in schema:
            return value if value is None else Secret(value)
        if "anyOf" in schema:
            return self._read_any(value, schema["anyOf"])
        if not isinstance(value, dict | list):
            return self._read_scalar(value, schema)
        if isinstance(value, list):
            items = schema.get("prefixItems", [])
            rest = schema.get("items")
            schemas = [*items, *[rest if isinstance(rest, dict) else {}] * (len(value) - len(items))]
            return [self.read(item, each) for item, each in zip(value, schemas, strict=False)]
        more = schema.get("additionalProperties")
        known = schema.get("properties", {})
        rest = more if isinstance(more, dict) else {}
        return {name: self.read(item, known.get(name, rest)) for name, item in value.items()}

    def _read_scalar(self, value: Any, schema: dict[str, Any]) -> Any:
        if isinstance(value, str):
            return read_text(value, schema)
        return Decimal(value) if isinstance(value, int) and schema.get("format") == "decimal" else value

    def _read_any(self, value: Any, schemas: list[dict[str, Any]]) -> Any:
        """The first member that makes something of the value; as it is when none does."""
        for schema in schemas:
            try:
                found = self.read(value, schema)
            except ValueError as error:
                let_out(error)
                continue
            if found is not value:
                return found
        return value


class _SecretsOfModel(_Reader):
    """A model reads its values by itself, all but those that are not to be shown before."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        super().__init__(definitions)
        # Of each part under each choice, so that a tree of choices takes no more time than it has parts.
        self._chosen: dict[tuple[int, int], Any] = {}

    def read_model(self, value: Any, schema: dict[str, Any]) -> Any:
        names_secret = f'"{SECRET}"' in json.dumps([schema, self._definitions])
        return self.read(value, {**schema, MADE: ""}) if names_secret else value

    def read(self, value: Any, schema: dict[str, Any]) -> Any:
        return super().read(value, schema) if schema else value

    def _read_scalar(self, value: Any, schema: dict[str, Any]) -> Any:
        return value

    def _read_any(self, value: Any, schemas: list[dict[str, Any]]) -> Any:
        place = id(value), id(schemas)
        if place not in self._chosen:
            found = (self.read(value, schema) for schema in schemas)
            self._chosen[place] = next((each for each in found if each != value), value)
        return self._chosen[place]


class _Repeated(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _Repeated(next(name for name, count in counts.items() if count > 1))
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not a JSON number")
