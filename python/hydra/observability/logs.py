"""Log lines on stderr: for a person, or one JSON object each. In workers the app's own configuration wins.

configure_logging      a supervisor: the root logger is hydra's
add_filter             on each handler there is, whoever made it
before_app ──import, on_worker_start──► after_app      a worker: hydra's only where the app has configured nothing
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from typing import Any

import orjson

from hydra.terminal import SHOWN, SHOWN_IN_JSON

UNTOUCHED = logging.INFO - 1  # the root logger's level, until the app sets one: shows what INFO shows
FORMATS = ("console", "json")
CONTEXT = (
    "execution_id",
    "workflow",
    "key",
    "step",
    "attempt",
    "node",
    "worker",
)  # what a line tells beside its message
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure_logging(format: str, filter: logging.Filter) -> None:
    """Send everything from INFO on to stderr."""
    logging.basicConfig(level=logging.INFO, handlers=[handler_of(format)])
    add_filter(filter)


def handler_of(format: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else ConsoleFormatter())
    return handler


def before_app(format: str) -> None:
    """While the root logger has no handler, `logging.basicConfig` of the app's configures it; until then everything
    goes where Python sends what nobody handles."""
    logging.lastResort = handler_of(format)
    logging.lastResort.setLevel(logging.NOTSET)
    logging.getLogger().setLevel(UNTOUCHED)


def after_app(format: str, filter: logging.Filter) -> None:
    """The app has had its say. The filter says on each line where it was written."""
    root = logging.getLogger()
    if not root.handlers or (root.level == UNTOUCHED and all(is_made_by_the_way(each) for each in root.handlers)):
        root.handlers[:] = [handler_of(format)]
        if root.level == UNTOUCHED:
            root.setLevel(logging.INFO)
    elif root.level == UNTOUCHED:
        root.setLevel(logging.WARNING)  # Python's own, since the app has named none
    for name, logger in root.manager.loggerDict.items():
        if name.partition(".")[0] == "hydra" and isinstance(logger, logging.Logger):
            logger.disabled = False  # by `dictConfig`, which disables every logger that was there before
    add_filter(filter)


def add_filter(filter: logging.Filter) -> None:
    """To every handler that has none of its kind: a filter of a logger would miss what comes from loggers below."""
    root = logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    for handler in {id(handler): handler for logger in loggers for handler in logger.handlers}.values():
        if not any(isinstance(each, type(filter)) for each in handler.filters):
            handler.addFilter(filter)


def is_made_by_the_way(handler: logging.Handler) -> bool:
    """What `logging.info(…)` makes when it finds no handler."""
    return (
        type(handler) is logging.StreamHandler
        and handler.stream is sys.stderr
        and handler.formatter is not None
        and handler.formatter._fmt == logging.BASIC_FORMAT
    )


class ConsoleFormatter(logging.Formatter):
    """`12:00:01.250 WARNING shop[71]: message [execution_id=… workflow=bill step=charge …]`, the traceback below it.

    Lines of a message after its first, and those of a traceback, are indented: none looks like a line of the log.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        name = record.name.removeprefix("hydra.")
        message = record.getMessage()
        what = f"{name}[{record.process}]: {message}{where(record, message)}"
        line = f"{at}.{int(record.msecs):03d} {record.levelname:<7} {what}"
        text = traceback_of(record)
        whole = f"{line}\n{text}" if text else line
        return whole.translate(SHOWN).replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """One object a line, with what was given as `extra`, but for what is None; times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process or os.getpid(),
            "message": record.getMessage(),
        }
        given = record.__dict__.items()
        fields |= {name: value for name, value in given if name not in STANDARD_FIELDS and value is not None}
        if text := traceback_of(record):
            fields["exception"] = text
        return as_json(fields).translate(SHOWN_IN_JSON)


def as_json(fields: dict[str, Any]) -> str:
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # an int of more than 64 bits, half a surrogate pair, a value that contains itself
        return json.dumps({name: plain(value) for name, value in fields.items()})


def plain(value: object) -> object:
    return value if isinstance(value, str | int | float | None) else str(value)


def where(record: logging.LogRecord, message: str) -> str:
    """What the line's fields add to a message that does not name its execution itself."""
    own = record.__dict__
    id = own.get("execution_id")
    if id is None or str(id) in message:
        return ""
    return f" [{' '.join(f'{name}={own[name]}' for name in CONTEXT if own.get(name) is not None)}]"


def traceback_of(record: logging.LogRecord) -> str:
    """Of an exception here, or (`exc_text`) of one in another process."""
    if record.exc_info and record.exc_info[0] is not None:
        return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    return record.exc_text or ""
