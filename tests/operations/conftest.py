from __future__ import annotations

from tests.support.harnesses import harness, url
from tests.support.registries import own_registry

__all__ = ["harness", "own_registry", "url"]
