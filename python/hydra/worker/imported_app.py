"""The user's app in the process that imports it: what it defines, what it has opened, or why it does not import."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from hydra.attributes import BY_CODE, DEFAULTS, SEARCH, keys_of_defaults
from hydra.call_terms import DEADLINE, TIMEOUT, CallTerms
from hydra.codec import json_schema, told_error
from hydra.definitions import Workflow
from hydra.limit_calls import specs_by_name
from hydra.limits import LIMITS, bounds_of, specs_of
from hydra.schedules import SCHEDULE_TAG, ScheduleSpec
from hydra.stores.workflow_info import WorkflowInfo
from hydra.values.hints import resolve_hints
from hydra.values.same_text import reads_by_code
from hydra.workflow import Registry, registry

_calls: WeakKeyDictionary[Workflow[..., Any], bytes] = WeakKeyDictionary()


class Manifest(msgspec.Struct, tag=True, frozen=True):
    """What the app defines. `threads` are those it started while it was imported, `sockets` what it opened."""

    workflows: list[WorkflowInfo]
    code_version: str
    files: list[str]
    threads: list[str]
    sockets: list[str] = []


class ImportFailed(msgspec.Struct, tag=True, frozen=True):
    message: str
    traceback_text: str


def import_app(module: str) -> ImportFailed | None:
    """None where it imports."""
    try:
        importlib.import_module(module)
    except BaseException as error:
        return import_failure(module, error)
    return None


def describe_app(module: str, sockets_before: set[int]) -> Manifest:
    files = app_files(module)
    version = hashlib.sha256()
    for path in files:
        version.update(path.read_bytes())
    code_version = version.hexdigest()[:16]
    workflows = describe_workflows(registry, code_version, module)
    opened = [place for fd, place in open_sockets().items() if fd not in sockets_before]
    return Manifest(workflows, code_version, [str(path) for path in files], sorted(thread_names()), sorted(opened))


def describe_workflows(app: Registry, code_version: str, module: str) -> list[WorkflowInfo]:
    """What programs without the app's code may know of it."""
    return [
        WorkflowInfo(
            name,
            encoded_call(workflow),
            CallTerms(workflow.timeout_us, workflow.deadline_us).limit_us,
            code_version,
            schedule_of(workflow, module),
            module,
            workflow.labels,
            retention=workflow.retention,
            limits=specs_of(workflow.limits, name, workflow.signature),
            bounds=bounds_of(workflow.limits, name, workflow.max_pending),
        )
        for name, workflow in app.workflows.items()
    ]


def encoded_call(workflow: Workflow[..., Any]) -> bytes:
    """Read from the annotations once: each node of a harness registers all that is defined."""
    known = _calls.get(workflow)
    if known is None:
        known = _calls[workflow] = msgspec.json.encode(describe_call(workflow))
    return known


def describe_call(workflow: Workflow[..., Any]) -> dict[str, Any]:
    """Its parameters, and what a program must know of its time-outs, limits and attributes to submit it."""
    schema = json_schema(workflow.function)
    hints = resolve_hints(inspect.unwrap(workflow.function))
    schema[TIMEOUT], schema[DEADLINE] = workflow.timeout_us, workflow.deadline_us
    if workflow.limits:
        specs = specs_of(workflow.limits, workflow.name, workflow.signature)
        schema[LIMITS] = msgspec.to_builtins(specs_by_name(specs, hints))
    if workflow.search:
        schema[SEARCH] = {name: kind.__name__ for name, kind in workflow.search.items()}
        schema[DEFAULTS] = keys_of_defaults(workflow.search, workflow.signature)
        schema[BY_CODE] = [name for name in workflow.search if reads_by_code(hints.get(name, Any))]
    return schema


def schedule_of(workflow: Workflow[..., Any], module: str) -> ScheduleSpec | None:
    if workflow.schedule is None:
        return None
    terms = workflow.terms((), {}, {SCHEDULE_TAG: workflow.name})
    return ScheduleSpec.of(workflow.schedule, terms.limit_us, module, terms.limit_keys, terms.attributes)


def app_files(module: str) -> list[Path]:
    """The imported source files that are the app's: below its top folder, outside any installation."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    origin = spec.origin if spec else None
    root = Path(origin).resolve().parent if origin else Path.cwd()
    below = os.path.join(root, "")
    resolved: dict[str, str] = {}  # directories: there are fewer of them than files, and each takes long to resolve
    found = set()
    for imported in list(sys.modules.values()):
        if not (file := getattr(imported, "__file__", None)) or not file.endswith(".py"):
            continue
        directory, name = os.path.split(file)
        if directory not in resolved:
            resolved[directory] = os.path.realpath(directory)
        path = os.path.join(resolved[directory], name)
        if os.path.islink(path):
            path = os.path.realpath(path)
        if path.startswith(below):
            found.add(Path(path))
    return sorted(path for path in found if "site-packages" not in path.parts)


def thread_names() -> Iterator[str]:
    """Every thread but this one, those without a Python name by the kernel's."""
    named = {thread.native_id: thread.name for thread in threading.enumerate()}
    for entry in os.scandir("/proc/self/task"):
        number = int(entry.name)
        if number != os.getpid():
            yield named.get(number) or Path(entry.path, "comm").read_text().strip()


def open_sockets() -> dict[int, str]:
    """The connections of this process, by descriptor: with whom. Datagrams may be sent by many, and are left out."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as copy:
                if copy.type == socket.SOCK_STREAM:
                    found[int(name)] = place_of(copy)
    return found


def place_of(connection: socket.socket) -> str:
    try:
        peer = connection.getpeername()
    except OSError:
        own = connection.getsockname()
        return f"listening on {f'{own[0]}:{own[1]}' if isinstance(own, tuple) else own or 'nothing'}"
    if isinstance(peer, tuple):
        return f"{peer[0]}:{peer[1]}"
    return str(peer) or "another end in this process"


def import_failure(module: str, error: BaseException) -> ImportFailed:
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        message = f"no module `{error.name}` in `{os.getcwd()}` or where Python looks; name the app as `import` would"
        return ImportFailed(f"{message}, `{module[:-3]}`" if module.endswith(".py") else message, "")
    message = f"app `{module}` does not import: {told_error(error)}"
    text = "".join(traceback.format_exception(type(error), error, app_frames(error.__traceback__)))
    return ImportFailed(message, text)


def app_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback from the app's first line on: hydra's and the import system's own lines help nobody."""
    here = frames
    while here is not None and (
        here.tb_frame.f_globals.get("__name__", "").startswith("importlib")
        or here.tb_frame.f_code.co_filename in (__file__, importlib.__file__, "<frozen importlib._bootstrap>")
        or here.tb_frame.f_code.co_filename == "<frozen importlib._bootstrap_external>"
    ):
        here = here.tb_next
    return here or frames
