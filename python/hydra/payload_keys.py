"""The keys that payloads are encrypted with, by their ids. Reads the file they are given in, and no database.

    0xD2, length of the key's id, the id, salt (16 bytes), nonce (12 bytes), AES-256-GCM of the plain payload

All before the ciphertext is authenticated with it. Each process derives a key of its own from the given one, by a
random salt: so random nonces are good for 2^32 payloads of one process, not of all that ever used the key.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import os
import re
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from hydra.errors import ConfigError, PayloadError
from hydra.pointers import is_pointer, why_away
from hydra.written import written

ENCRYPTED = 0xD2  # the first byte of what is encrypted; a plain payload has another
KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_PAYLOADS = 1 << 30  # encrypted under one salt, then another: 2^32 random nonces are what AES-GCM bears
DIGEST_BYTES = 16
KEYED_DIGEST = b"\x01"  # begins a digest that is keyed; a plain one is a byte shorter
DERIVED_KEY_COUNT = 4096

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class PayloadKeys:
    """Keys that encrypt what an execution takes, records and gives: AES-256-GCM, each key with an id.

        keys = hydra.PayloadKeys({"k1": old, "k2": new}, current="k2")
        engine = hydra.Engine(url, payload_keys=keys)

    What is written is encrypted with the `current` key; what any of the others encrypted is read. Without a `current`
    one nothing new is encrypted: the first step of turning it on for programs and nodes that run. Keys are 32 bytes.
    Needs `hydra-engine[crypto]`.

    Raises:
        ConfigError: a key or an id that cannot be one, or `cryptography` is not installed.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str | None = None) -> None:
        if not isinstance(keys, Mapping):
            raise ConfigError(f"the payload keys are {type(keys).__name__}; give a dict of ids and keys of 32 bytes")
        for id, key in keys.items():
            if not isinstance(id, str) or _ID.fullmatch(id) is None:
                raise ConfigError(
                    f"`{id!s:.80}` is no id of a payload key; use 1 to 64 letters, digits and any of `_ . -`"
                )
            if not isinstance(key, bytes):
                raise ConfigError(f"the payload key `{id}` is {type(key).__name__}; give it as bytes")
            if len(key) != KEY_BYTES:
                raise ConfigError(f"the payload key `{id}` is not {KEY_BYTES} bytes; make one with `os.urandom(32)`")
        if current is not None and current not in keys:
            raise ConfigError(f"the current payload key `{current!s:.80}` is none of those given; give it, too")
        if keys:
            _ciphers()  # an extra that is missing is an error here, not at the first payload
        self._keys = dict(keys)
        self.current = current
        self._renew()

    @classmethod
    def from_file(cls, path: str) -> PayloadKeys:
        """Of a file with a key a line: its id, its 32 bytes in base64, and behind one of them the word `current`.

        Raises:
            ConfigError: the file cannot be read, or a line of it is no key. No sentence has a key in it.
        """
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise ConfigError(f"`{written(path)}` is no file of payload keys; give its path")
        try:
            with open(path, "rb") as file:
                content = file.read()
            if content[:3] == codecs.BOM_UTF8 or content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise ConfigError(f"`{path}` begins with a byte order mark; save it as plain ASCII text without one")
            lines = content.decode("ascii").splitlines()
        except (OSError, UnicodeError, ValueError) as error:
            raise ConfigError(f"the payload keys in `{path}` cannot be read: {error}") from None
        keys: dict[str, bytes] = {}
        current = None
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            place = f"line {number} of `{path}`"
            if len(words) > 3 or len(words) == 1 or words[2:] not in ([], ["current"]):
                raise ConfigError(f"{place} must be an id, a key in base64 and perhaps the word `current`")
            id, text = words[:2]
            if id in keys:
                raise ConfigError(f"{place} gives the key `{id:.80}` a second time; give each key another id")
            try:
                keys[id] = base64.b64decode(text, validate=True)
            except binascii.Error:
                raise ConfigError(
                    f"the key in {place} is not base64; make one with `openssl rand -base64 32`"
                ) from None
            if len(words) == 3:
                if current is not None:
                    raise ConfigError(f"{place} names a second current key; one of them encrypts")
                current = id
        if not keys:
            raise ConfigError(f"`{path}` has no payload key; write a line of an id and a key in base64")
        return cls(keys, current)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(self._keys)

    def __repr__(self) -> str:
        return f"PayloadKeys({', '.join(sorted(self._keys))}; current={self.current})"

    def __reduce__(self) -> Any:
        raise TypeError("payload keys are not pickled: give them to each process by their file")

    def encrypt(self, payload: bytes) -> bytes:
        """With the current key. As it is where there is none, where it is encrypted already, and where it points at
        what is: a pointer says nothing, and whoever sweeps objects is to find it."""
        if self.current is None or payload[:1] == _FIRST or is_pointer(payload):
            return payload
        cipher, head = self._sealing
        self._left -= 1
        if self._left <= 0:
            self._renew()
        nonce = os.urandom(NONCE_BYTES)
        return b"".join((head, nonce, cipher.encrypt(nonce, payload, head)))

    def decrypt(self, payload: bytes) -> bytes:
        """The plain payload. As it is where it is plain, or encrypted with a key that is not among these.

        Raises:
            PayloadError: it was changed, or the key of that id is another.
        """
        if payload[:1] != _FIRST:
            return payload
        id = encrypted_with(payload)
        key = self._keys.get(id or "")
        if key is None:
            return payload
        head_bytes = 2 + payload[1] + SALT_BYTES
        head, nonce = payload[:head_bytes], payload[head_bytes : head_bytes + NONCE_BYTES]
        try:
            plain: bytes = _derived(key, head[-SALT_BYTES:]).decrypt(nonce, payload[head_bytes + NONCE_BYTES :], head)
        except Exception as error:  # its class is of the extra; a short nonce is a ValueError
            raise PayloadError(
                f"a payload does not open with the key `{id}`: it was changed, or the key of that id is another here"
            ) from error
        return plain

    def _renew(self) -> None:
        """Another salt, and so another key of this process."""
        self._left = SALT_PAYLOADS
        if self.current is not None:
            id, salt = self.current.encode(), os.urandom(SALT_BYTES)
            head = bytes((ENCRYPTED, len(id))) + id + salt
            self._sealing: tuple[Any, bytes] = (_derived(self._keys[self.current], salt), head)


NO_KEYS = PayloadKeys({})
_FIRST = bytes((ENCRYPTED,))


def encrypted_with(payload: bytes | None) -> str | None:
    """The id of the key that a payload is encrypted with; None of a plain one."""
    if not payload or payload[0] != ENCRYPTED:
        return None
    return payload[2 : 2 + payload[1]].decode("ascii", "replace") if len(payload) > 1 else ""


def why_closed(payloads: Iterable[bytes | None]) -> str | None:
    """Why nothing is to be decided by these, as decoding one of them says, too; None where all are open."""
    closed = next((each for each in payloads if each and (each[0] == ENCRYPTED or is_pointer(each))), None)
    if closed is None:
        return None
    key_id = encrypted_with(closed)
    if key_id is None:
        return why_away(closed)
    return (
        f"it is encrypted with the payload key `{key_id}` and does not open here; give the right one with "
        "`--payload-keys` or `payload_keys=`"
    )


def is_keyed(digest: bytes) -> bool:
    """Whether a digest of arguments went through a DigestKey."""
    return len(digest) == DIGEST_BYTES + 1 and digest[:1] == KEYED_DIGEST


class DigestKey:
    """Keys digests of arguments: who does not have the secret can neither make one nor try out small values.

    It is one block of AES: the same digest comes to the same bytes, so databases compare them, and it can be undone, so
    a replay compares digests as it does without keys. The secret is a namespace's own, and never changes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._contexts = threading.local()  # a context is for one thread

    def key(self, digest: bytes) -> bytes:
        """As it is where it is no digest of arguments."""
        return KEYED_DIGEST + self._context("encryptor").update(digest) if len(digest) == DIGEST_BYTES else digest

    def unkey(self, digest: bytes) -> bytes:
        """As it is where it was not keyed."""
        if not is_keyed(digest):
            return digest
        plain: bytes = self._context("decryptor").update(digest[1:])
        return plain

    def _context(self, kind: str) -> Any:
        context = getattr(self._contexts, kind, None)
        if context is None:
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

            context = getattr(Cipher(algorithms.AES(self._secret), modes.ECB()), kind)()  # one block: no mode is needed
            setattr(self._contexts, kind, context)
        return context


@lru_cache(maxsize=DERIVED_KEY_COUNT)
def _derived(key: bytes, salt: bytes) -> Any:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return _ciphers()(HKDF(SHA256(), KEY_BYTES, salt, b"hydra payload").derive(key))


def _ciphers() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ConfigError("payload keys need `cryptography`; install `hydra-engine[crypto]`") from None
    return AESGCM
