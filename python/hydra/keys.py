"""What may be an execution's key or id, before any database is asked."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

from hydra.clock import seconds_of
from hydra.cron import KEY_PREFIX
from hydra.errors import ConfigError, PayloadError
from hydra.execution import KeyReuse
from hydra.interruptions import let_out
from hydra.written import written

MAX_KEY_LENGTH = 500
SIGNAL_IDS = uuid.UUID("6e0a4b5a-1d4f-5c0e-9b0e-2f6f3c1d7a55")  # the namespace of ids of signals that are no UUIDs
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}"  # with all hyphens, or none
_SPELLINGS = [re.compile(form, re.IGNORECASE) for form in (_HEX, f"urn:uuid:{_HEX}", rf"\{{{_HEX}\}}")]


def check_key(key: object) -> str:
    """A key to submit under."""
    checked = check_known_key(key)
    if checked.startswith(KEY_PREFIX):
        raise ConfigError(f"the key `{checked:.80}` is a schedule's; give one that does not start with `{KEY_PREFIX}`")
    return checked


def check_known_key(key: object) -> str:
    """A key to find an execution by."""
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_LENGTH or not is_unicode(key):
        raise ConfigError(f"`{written(key)}` is not a key; give a text of 1 to {MAX_KEY_LENGTH} characters")
    if "\0" in key:
        raise PayloadError(f"the key {written(key)} holds a NUL character; leave it out")
    return key


def check_key_reuse(key_reuse: object) -> KeyReuse:
    """A policy by its name, as of a child's key."""
    if isinstance(key_reuse, str):
        try:
            return KeyReuse(key_reuse)
        except ValueError as error:
            let_out(error)
    raise ConfigError(f"`key_reuse` is one of {', '.join(KeyReuse)}, not `{written(key_reuse)}`")


def read_key_reuse(key_reuse: object) -> tuple[KeyReuse, int | None]:
    """Of a submission: a policy, or after how many microseconds a key is free."""
    if isinstance(key_reuse, timedelta) or (isinstance(key_reuse, (int, float)) and not isinstance(key_reuse, bool)):
        after_us = round(seconds_of(key_reuse, "`key_reuse`") * 1e6)
        if not after_us:
            raise ConfigError("`key_reuse` must be longer than 0 seconds; leave the key out to begin one each time")
        return KeyReuse.FIRST, after_us
    if isinstance(key_reuse, str) and key_reuse in tuple(KeyReuse):
        return KeyReuse(key_reuse), None
    known = f"one of {', '.join(KeyReuse)}, or seconds or a timedelta"
    raise ConfigError(f"`key_reuse` is {known}, not `{written(key_reuse)}`")


def is_id(id: object) -> bool:
    """Whether this can be an execution's id at all."""
    return isinstance(id, str) and _ID.fullmatch(id) is not None


def signal_id(id: object) -> str:
    """The UUID that a signal's id stands for: itself, in whichever of its spellings, or else the UUID5 of the text."""
    if not isinstance(id, str) or not 0 < len(id) <= MAX_KEY_LENGTH or not is_unicode(id):
        raise ConfigError(f"`{written(id)}` is not the id of a signal; give a text of 1 to {MAX_KEY_LENGTH} characters")
    is_uuid = any(form.fullmatch(id) for form in _SPELLINGS)
    return str(uuid.UUID(id.lower()) if is_uuid else uuid.uuid5(SIGNAL_IDS, id))


def is_unicode(text: str) -> bool:
    """Half a surrogate pair is no text that a database could keep."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
