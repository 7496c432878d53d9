"""Who may do what: a file of tokens, each with a name and a role. Never logs, shows or stores a token.

# NAME  ROLE     TOKEN, or sha256:DIGEST of one
ana     admin    hV2k…
grafana view     sha256:9f86d0…
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import threading
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from hydra.errors import ConfigError

MIN_TOKEN_LENGTH = 20
MAX_TOKENS = 1000
MAX_FILE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,100}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")

log = logging.getLogger("hydra.dashboard")


class Role(StrEnum):
    """What an operator may do; each may do what those before it may."""

    VIEW = "view"  # look at everything, payloads included
    OPERATE = "operate"  # submit, cancel, retry, resume, resolve, signal, complete, fork, rerun
    ADMIN = "admin"  # pause and drain, change limits and schedules, and whatever may do an effect twice


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Operator(msgspec.Struct, frozen=True):
    """Who asks: a name, which goes into what is recorded, and a role."""

    name: str
    role: Role = Role.VIEW

    def may(self, role: Role) -> bool:
        """Whether the operator's role is that one, or a higher one."""
        return _RANKS[Role(self.role)] >= _RANKS[role]


class Token(msgspec.Struct, frozen=True):
    """One line of the file: only the token's digest is kept."""

    operator: Operator
    digest: bytes


class Tokens:
    """The tokens of one text; all are compared, each in the same time."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tuple(tokens)

    def holder(self, token: str) -> Operator | None:
        """Whose token it is."""
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for each in self._tokens:
            if hmac.compare_digest(each.digest, given):
                found = each.operator
        return found

    def named(self, name: str) -> Token | None:
        return next((each for each in self._tokens if each.operator.name == name), None)

    def secret(self) -> bytes:
        """What sessions are signed with: whoever knows no token cannot make one, and every process has the same."""
        return hashlib.sha256(b"hydra.dashboard" + b"".join(each.digest for each in self._tokens)).digest()


def parse_tokens(text: str, where: str) -> Tokens:
    """ConfigError, which names the line and no token, for what cannot be."""
    found: list[Token] = []
    lines: dict[bytes, int] = {}  # by digest
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        place = f"line {number} of {where}"
        if len(words) != 3:
            raise ConfigError(f"{place} must be a name, a role and a token; it has {len(words)} words")
        name, role, token = words
        if _NAME.fullmatch(name) is None:
            raise ConfigError(f"the name in {place} must be 1 to 100 letters, digits and any of `_ . @ -`")
        if role not in tuple(Role):
            raise ConfigError(f"`{role:.40}` in {place} is no role; it is one of {', '.join(Role)}")
        if any(each.operator.name == name for each in found):
            raise ConfigError(f"`{name}` in {place} has a token already; give each one another name")
        digest = _digest_of(token, place)
        if digest in lines:
            raise ConfigError(f"lines {lines[digest]} and {number} of {where} have the same token; give each its own")
        lines[digest] = number
        found.append(Token(Operator(name, Role(role)), digest))
    if not found or len(found) > MAX_TOKENS:
        raise ConfigError(f"{where} must have 1 to {MAX_TOKENS} tokens, and has {len(found)}")
    return Tokens(found)


def _digest_of(token: str, place: str) -> bytes:
    if (digest := _DIGEST.fullmatch(token)) is not None:
        return bytes.fromhex(digest[1])
    if not token.isascii():
        raise ConfigError(f"the token in {place} has other than ASCII characters, which no header carries")
    if len(token) < MIN_TOKEN_LENGTH:
        raise ConfigError(f"the token in {place} is shorter than {MIN_TOKEN_LENGTH} characters; make a random one")
    return hashlib.sha256(token.encode()).digest()


class TokenFile:
    """Tokens of a file, read again when it changes: who is taken out of it is out at once.

    A file that has become unreadable lets nobody in, and says so in the log.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._reading = threading.Lock()
        self._read_as: tuple[int, int, int] | None = None
        self._tokens = Tokens(())
        self._read()

    def tokens(self) -> Tokens:
        with self._reading:
            try:
                if self._stamp() != self._read_as:
                    self._read()
            except ConfigError as error:
                if self._read_as is not None:
                    log.error("nobody is let in: %s", error)
                self._read_as, self._tokens = None, Tokens(())
            return self._tokens

    def is_readable_by_others(self) -> bool:
        return bool(os.stat(self._path).st_mode & 0o004)

    def _read(self) -> None:
        stamp = self._stamp()
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_FILE_BYTES + 1)
            if len(text) > MAX_FILE_BYTES:
                raise ConfigError(f"`{self._path}` has more than {MAX_FILE_BYTES:,} bytes; it is no file of tokens")
            self._tokens = parse_tokens(text.decode(), f"`{self._path}`")
        except OSError as error:
            raise ConfigError(f"the file of tokens `{self._path}` cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"the file of tokens `{self._path}` is not UTF-8") from None
        self._read_as = stamp

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise ConfigError(f"the file of tokens `{self._path}` cannot be read: {error.strerror}") from None
        return found.st_mtime_ns, found.st_size, found.st_ino
