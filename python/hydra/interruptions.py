"""What a signal's handler raises in a program's own thread (Ctrl-C, a job's soft time limit) may come behind any call,
and says nothing of what was done."""

from __future__ import annotations

from contextlib import suppress

from hydra.errors import HydraError

# Whose exceptions tell of a value, a statement, or a fault of hydra's. An OSError may be a handler's TimeoutError.
OWN_MODULES = ("builtins", "hydra", "msgspec", "orjson", "psycopg", "pymysql", "sqlite3")


def is_interruption(error: BaseException) -> bool:
    """Whether a handler may have raised it."""
    if isinstance(error, HydraError):
        return False
    if isinstance(error, OSError) or not isinstance(error, Exception):
        return True
    return type(error).__module__.partition(".")[0] not in OWN_MODULES


def time_out_in(error: BaseException) -> OSError | None:
    """A handler's own time-out (`class SoftTimeLimit(TimeoutError)`), which a driver takes for one of its network's."""
    for each in (error, error.__context__):
        if isinstance(each, OSError) and type(each).__module__ not in ("builtins", "socket", "ssl"):
            return each
    return None


def may_have_submitted(error: BaseException, execution_id: str) -> None:
    """Say on what came in between that the submission may have happened, as StoreUnavailable does (R17)."""
    with suppress(AttributeError, TypeError):  # its class takes no attributes
        error.execution_id, error.outcome = execution_id, "unknown"  # type: ignore[attr-defined]
    error.add_note(
        f"execution `{execution_id}` was already on its way to the database and may have been submitted; "
        "submitting it again as it was, with its key, or without one with that id, is safe"
    )
