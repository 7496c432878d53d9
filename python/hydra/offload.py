"""Where large values go that are not to lie in the database, as a user says it. Opens nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hydra.errors import ConfigError
from hydra.written import written

DEFAULT_OVER = 256 * 1024
MIN_OVER = 1024
IN_MEMORY = "memory"
LOCAL = ("file", "local")

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)


class Offload:
    """An object store for values that are large: they lie there, and the database has a pointer of 72 bytes.

        offload = hydra.Offload("s3://my-bucket/billing", over=1 << 20)
        engine = hydra.Engine(url, offload=offload)

    Every program and node of a database needs the same one, and no two databases share one: `hydra offload sweep`
    deletes what the database does not point at. Needs `hydra-engine[offload]`, and what fsspec asks for beside it
    (`s3fs` for `s3://`).

    Args:
        url: `s3://bucket/prefix`, `file:///folder`, or another that fsspec knows. `memory://` is for tests: what is in
            it ends with the process.
        over: bytes of an encoded value (large ones are compressed) from which on it is offloaded; 256 KiB by default.
        options: for fsspec's file system, such as `{"profile": "billing"}`; what is secret is better in its variables.

    Raises:
        ConfigError: a URL or a size that cannot be, or what it needs is not installed.
    """

    def __init__(self, url: str, over: int = DEFAULT_OVER, *, options: Mapping[str, Any] | None = None) -> None:
        found = _URL.fullmatch(url) if isinstance(url, str) else None
        if found is None:
            raise ConfigError(f"`{url!s:.80}` is no URL to offload to; write `s3://bucket/prefix` or `file:///folder`")
        self.protocol, path = found[1], found[2]
        if not path.strip("/") and self.protocol != IN_MEMORY:
            raise ConfigError(f"`{url:.80}` names no place to offload to; write a bucket or a folder behind `://`")
        if self.protocol in LOCAL and not path.startswith("/"):
            raise ConfigError(f"`{url:.80}` is a relative path, another for each process; write `file:///folder`")
        if isinstance(over, bool) or not isinstance(over, int) or over < MIN_OVER:
            raise ConfigError(f"`over` must be a number of bytes from {MIN_OVER:,} on, not `{written(over)}`")
        if options is not None and not isinstance(options, Mapping):
            raise ConfigError(f"`options` is {type(options).__name__}; give a dict for fsspec's file system")
        _check_installed(self.protocol)
        self.url = url.rstrip("/") if path.strip("/") else url
        self.over = over
        self.options = dict(options or {})

    @property
    def shown(self) -> str:
        """The URL without a user's name and password."""
        return re.sub(r"://[^/@]*@", "://", self.url)

    def __repr__(self) -> str:
        return f"Offload({self.shown!r}, over={self.over})"


def _check_installed(protocol: str) -> None:
    try:
        import fsspec
    except ImportError:
        raise ConfigError("offloading needs `fsspec`; install `hydra-engine[offload]`") from None
    try:
        fsspec.get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"`{protocol}://` cannot be offloaded to: {error}") from None
