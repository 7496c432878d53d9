from __future__ import annotations

from tests.support.registries import own_registry

__all__ = ["own_registry"]
