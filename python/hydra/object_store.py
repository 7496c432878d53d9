"""The objects that large values lie in: durable before a row points at them, compared when read. Decides nothing.

Each call has its time: what is not answered by then counts as not done, whatever the object store makes of it later.
An object is written once, under a new name, and never changed; one that no row came to point at is an orphan.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any, TypeVar

from hydra import _core
from hydra.condition import start
from hydra.errors import PayloadError, StoreUnavailable
from hydra.offload import LOCAL, Offload
from hydra.payload_keys import NO_KEYS, PayloadKeys
from hydra.pointers import Pointer, pointer_in, unfetched, why_away

T = TypeVar("T")

PUT_SECONDS = 10.0  # past it the value goes to the database
GET_SECONDS = 30.0
PAUSE_SECONDS = 5.0  # in which nothing is put after a failure: an outage is not waited for again and again
MAX_CALLS = 16  # at a time; what never answers holds its place for ever

log = logging.getLogger("hydra.offload")


class ObjectStore:
    """One namespace's objects. From any thread; opens with its first call."""

    def __init__(self, offload: Offload, namespace: str, keys: PayloadKeys) -> None:
        self.over = offload.over
        self._offload = offload
        self._keys = keys
        self._folder = f"{offload.url}/hydra-{namespace}"
        self._places = threading.BoundedSemaphore(MAX_CALLS)
        self._again_at = 0.0
        self._is_failing = False

    def put(self, payload: bytes) -> bytes:
        """A pointer to it, once it is durable there. Where the object store does not take it: the payload, which then
        lies in the database, as without offloading."""
        if time.monotonic() < self._again_at:
            return payload
        content = self._keys.encrypt(payload)
        pointer = Pointer.to(_core.uuid7(), content)
        try:
            self._within(PUT_SECONDS, lambda: self._write(pointer.name, content))
        except Exception as error:  # what a file system raises is its own
            self._again_at = time.monotonic() + PAUSE_SECONDS
            if not self._is_failing:
                log.warning(
                    "`%s` takes no values, which go to the database instead: %s", self._offload.shown, _told(error)
                )
            self._is_failing = True
            return payload
        self._is_failing = False
        return pointer.encode()

    def get(self, payload: bytes) -> bytes:
        """What a pointer points at: encrypted still, where its key is not here.

        Raises:
            StoreUnavailable: the object store does not give it now.
            PayloadError: it is not there, or was changed.
        """
        pointer = pointer_in(payload)
        shown = f"`{self._offload.shown}/{self._folder.rpartition('/')[2]}/{pointer.name}`"
        try:
            content = self._within(GET_SECONDS, lambda: self._read(pointer.name))
        except FileNotFoundError:
            raise _damaged(payload, f"their object {shown} is not there; put it back from a backup") from None
        except Exception as error:  # what a file system raises is its own
            why = f"the object store does not give their object {shown}: {_told(error)}"
            raise StoreUnavailable(why_away(unfetched(payload, why))) from error
        if not pointer.is_of(content):
            raise _damaged(payload, f"their object {shown} was changed; put it back from a backup")
        return self._keys.decrypt(content)

    def fetched(self, payload: bytes) -> bytes:
        """`get` that never fails: of what cannot be fetched the pointer goes on, and tells why where it is decoded."""
        try:
            return self.get(payload)
        except (StoreUnavailable, PayloadError) as error:
            _, _, why = str(error).partition(" bytes are offloaded, and ")
            return unfetched(payload, why or str(error))

    def names(self) -> Iterator[str]:
        """Of all objects of the namespace, those half written included."""
        system, folder = self._system()
        system.invalidate_cache()
        with suppress(FileNotFoundError):
            for path in system.ls(folder, detail=False):
                yield str(path).rstrip("/").rpartition("/")[2]

    def delete(self, names: Sequence[str]) -> None:
        system, folder = self._system()
        for name in names:
            with suppress(FileNotFoundError):
                system.rm_file(f"{folder}/{name}")

    # inside

    def _write(self, name: str, content: bytes) -> None:
        system, folder = self._system()
        if self._offload.protocol in LOCAL:
            _write_file(folder, name, content)
        else:
            system.pipe_file(f"{folder}/{name}", content)

    def _read(self, name: str) -> bytes:
        system, folder = self._system()
        content: bytes = system.cat_file(f"{folder}/{name}")
        return content

    def _system(self) -> tuple[Any, str]:
        """fsspec keeps one for each process and these options."""
        from fsspec.core import url_to_fs

        system, folder = url_to_fs(self._folder, **self._offload.options)
        return system, str(folder).rstrip("/")

    def _within(self, seconds: float, call: Callable[[], T]) -> T:
        """On a thread of its own, since nothing else ends a call that is not answered."""
        until = time.monotonic() + seconds
        if not self._places.acquire(timeout=seconds):
            raise TimeoutError(f"{MAX_CALLS} calls have no answer")
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:
                answer.set_exception(error)
            finally:
                self._places.release()

        try:
            start(threading.Thread(target=run, name="hydra-offload", daemon=True))
        except BaseException:
            self._places.release()
            raise
        try:
            return answer.result(max(0.0, until - time.monotonic()))
        except FutureTimeout:
            if answer.done():
                raise
            raise TimeoutError(f"no answer within {seconds:g} s") from None


def object_store_of(offload: Offload | None, namespace: str, keys: PayloadKeys | None) -> ObjectStore | None:
    """None where nothing is offloaded."""
    return None if offload is None else ObjectStore(offload, namespace, keys or NO_KEYS)


def _write_file(folder: str, name: str, content: bytes) -> None:
    """Durable, and whole or not there, also after a power cut."""
    _make_folder(folder)
    path = os.path.join(folder, name)
    descriptor = os.open(f"{path}.part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.replace(f"{path}.part", path)
    sync_folder(folder)


def _make_folder(folder: str) -> None:
    if os.path.isdir(folder):
        return
    above = os.path.dirname(folder)
    _make_folder(above)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    sync_folder(above)


def sync_folder(folder: str) -> None:
    """The names in it are durable when this returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(payload: bytes, why: str) -> PayloadError:
    return PayloadError(why_away(unfetched(payload, why)))


def _told(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
