"""Which executions a page or a program asks for, as text: the filter of `hydra list`, and a cursor into its list."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hydra.config import parse_when
from hydra.errors import ConfigError

NAMES = ("status", "workflow", "key", "tag", "attribute", "since", "until", "reason", "error")
REPEATED = ("tag", "attribute")


class Wanted(msgspec.Struct, frozen=True):
    """What the fields say, as they were written; empty ones say nothing."""

    status: str = ""
    workflow: str = ""
    key: str = ""
    tag: tuple[str, ...] = ()
    attribute: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    reason: str = ""
    error: str = ""

    @classmethod
    def read(cls, fields: Mapping[str, Sequence[str]]) -> Wanted:
        one = {name: fields[name][0] for name in NAMES if name not in REPEATED and fields.get(name)}
        tag, attribute = (tuple(each for each in fields.get(name, ()) if each) for name in REPEATED)
        return cls(**one, tag=tag, attribute=attribute)

    def arguments(self) -> dict[str, Any]:
        """Of `Engine.executions` and `Engine.select`. ConfigError for a tag or an instant that cannot be."""
        return {
            "status": self.status or None,
            "workflow": self.workflow or None,
            "key": self.key or None,
            "tags": read_tags(self.tag),
            "attributes": self.attribute or None,
            "since": parse_when(self.since) if self.since else None,
            "until": parse_when(self.until) if self.until else None,
            "reason": self.reason or None,
            "error": self.error or None,
        }

    def fields(self) -> dict[str, Any]:
        """As they stand in an address or a form."""
        found = msgspec.structs.asdict(self)
        return {name: value for name, value in found.items() if value}

    def fixed(self, now: datetime) -> Wanted:
        """`2h` as the instant that it means now, so that it means the same when the form comes back."""
        return msgspec.structs.replace(self, since=_fixed(self.since, now), until=_fixed(self.until, now))

    def is_counted(self) -> bool:
        """Whether the database keeps the count."""
        return self == Wanted(status=self.status, workflow=self.workflow)


def read_tags(texts: Sequence[str]) -> dict[str, str] | None:
    tags: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigError(f"`{text:.80}` is not a tag; write `name=value`")
        tags[name] = value
    return tags or None


def cursor_of(namespace: str, id: str) -> str:
    """Where the next page begins: behind that execution."""
    return f"{id}.{_stamp(namespace)}"


def read_cursor(namespace: str, cursor: str) -> str | None:
    """The id; None for the first page. ConfigError for one that is not of this namespace's list."""
    if not cursor:
        return None
    id, dot, stamp = cursor.rpartition(".")
    if not dot or stamp != _stamp(namespace):
        raise ConfigError("the cursor is of another namespace, or of no list at all; begin at the first page")
    return id


def _stamp(namespace: str) -> str:
    return hashlib.sha256(namespace.encode()).hexdigest()[:8]


def _fixed(text: str, now: datetime) -> str:
    if not text:
        return ""
    found = parse_when(text)
    moment = now - found if isinstance(found, timedelta) else found
    return moment.astimezone(UTC).isoformat()
