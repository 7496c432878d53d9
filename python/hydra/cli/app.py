"""The app's code, for commands that replay with it."""

from __future__ import annotations

import importlib
import os
import sys

from hydra.config import module_name
from hydra.errors import ConfigError
from hydra.worker.imported_app import import_failure


def import_app(module: str) -> None:
    """As `hydra start` does, with the current directory first on the path."""
    module_name(module)
    here = os.getcwd()
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(import_failure(module, error).message) from error
