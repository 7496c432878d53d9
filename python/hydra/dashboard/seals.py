"""Texts that come back from a browser as they were given: sessions, marks of forms, what was done. Not hidden."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any

MAC_BYTES = 32


class Seal:
    """Signs for a purpose; what was signed for another one does not open."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def mark(self, purpose: str, text: str) -> str:
        """A text that only who knows the secret can make of it."""
        return self._mac(purpose, text.encode()).hex()

    def is_mark(self, purpose: str, text: str, mark: str) -> bool:
        return hmac.compare_digest(self.mark(purpose, text).encode(), mark.encode("utf-8", "surrogateescape"))

    def close(self, purpose: str, value: Any, seconds: float) -> str:
        """The value, which opens until then; made of letters that fit a cookie."""
        body = json.dumps([time.time() + seconds, value]).encode()
        return base64.urlsafe_b64encode(self._mac(purpose, body) + body).decode().rstrip("=")

    def open(self, purpose: str, text: str) -> Any:
        """None for what was not signed here, for this purpose, or whose time is over."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(purpose, body)):
            return None
        until, value = json.loads(body)
        return value if time.time() < until else None

    def _mac(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"\0" + body, hashlib.sha256)
