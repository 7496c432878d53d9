"""The engine: what a program holds of a database. It submits, finds and reads executions; it runs none itself.

It opens with the first call that needs the database, and again after a fork: no connection or thread survives one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from hydra import config
from hydra.client import completions, local_worker
from hydra.client.awaited import announced_by, awaited_of, refuse_unfit
from hydra.client.handle import Handle
from hydra.client.local_worker import LocalWorker
from hydra.client.operations import Operations
from hydra.client.submissions import check_tags, workflow_name
from hydra.client.submitting import Submitting
from hydra.client.views import Execution, execution_view
from hydra.client.why import Why, explain
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.definitions import Workflow
from hydra.errors import ConfigError, NotFound
from hydra.execution import Message, Status
from hydra.keys import check_known_key, is_id
from hydra.records import callbacks
from hydra.stores.filter import Filter

R = TypeVar("R")


class Engine(Submitting, Operations):
    """A database and a namespace in it. Safe to share between threads; a context manager that closes it.

        with hydra.Engine("sqlite:///billing.db") as engine:
            handle = engine.submit(bill.bind("visa-1", 1999), key="inv-42")
            print(handle.result(timeout=60))

    Args:
        url: of the database; by default `$HYDRA_DB`, or else `sqlite:///hydra.db`.
        namespace: a tenant of the database; engines of one namespace see nothing of another.
        migrate: make the tables, or bring them to this version, at the first call; False: raise SchemaError instead.
        max_pending: how many executions may be pending before `submit` raises QueueFull; None: no limit.
        max_payload_bytes: of the arguments of one execution; more is a PayloadTooLarge. 16 MiB by default.
        timeout: seconds (or a timedelta) that a call waits for the database's answer, in place of the store's own
            limits. Past it, it raises StoreUnavailable. A submission may have happened then: repeat it with a `key`, or
            with the error's `execution_id`.

    Raises:
        ConfigError: for a URL, a namespace or a limit that cannot be. Nothing is opened before the first call.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str = config.DEFAULT_NAMESPACE,
        migrate: bool = True,
        *,
        max_pending: int | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        timeout: timedelta | float | None = None,
    ) -> None:
        super().__init__(url, namespace, migrate, max_pending, max_payload_bytes, timeout)

    def get(self, id: str) -> Handle[Any]:
        """The handle of an execution that exists.

        Raises:
            NotFound: there is none of that id in this namespace.
        """
        if not is_id(id):
            raise self.not_found(id)
        return Handle(self, id, self.snapshot(id).workflow)

    def find(self, workflow: Workflow[..., R] | str, key: str) -> Handle[R]:
        """The execution of that workflow and key.

        Raises:
            NotFound: there is none, or none any more: it was purged.
        """
        name = workflow_name(workflow)
        found = self.read(lambda store: store.find(name, check_known_key(key)))
        if found is None:
            raise NotFound(f"no execution of workflow `{name}` with key `{key}` in namespace `{self.namespace}`")
        return Handle(self, found.id, name)

    def executions(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[Execution]:
        """The executions that match all that is given, newest first.

            failed = engine.executions(status="failed", workflow=bill, tags={"run": "2026-11"})

        Args:
            status: one of `hydra.Status`, or its text.
            workflow: itself, or its name.
            key: its idempotency key.
            tags: all of them must match.
            limit: how many at most.
            before: the last id of the page before, for the next one.

        Raises:
            ConfigError: for a status or an id that cannot be.
        """
        name = None if workflow is None else workflow_name(workflow)
        try:
            wanted = None if status is None else Status(status)
        except ValueError:
            raise ConfigError(f"`{status}` is not a status; it is one of {', '.join(Status)}") from None
        if before is not None and not is_id(before):
            raise ConfigError(f"`{before!r:.80}` is not an execution's id; `before` is the last one of the page before")
        known_key = None if key is None else check_known_key(key)
        known_tags = None if tags is None else check_tags(tags)
        chosen = Filter(wanted, name, known_key, known_tags, config.count_of(limit, "`limit`"), before)
        return [execution_view(snapshot) for snapshot in self.read(lambda store: store.list(chosen))]

    def why(self, id: str) -> Why:
        """Why an execution does not go on, or what it does: one sentence, with what to do next.

            print(engine.why(handle.id).sentence)

        Raises:
            NotFound: there is none of that id in this namespace.
        """
        snapshot = self.snapshot(self.get(id).id)
        return self.read(lambda store: explain(store, snapshot))

    def signal(
        self, id: str, name: str, value: Any = None, *, signal_id: str | None = None, connection: object = None
    ) -> None:
        """Put an event before an execution: `get(id).signal(name, value, id=signal_id)`. See `Handle.signal`.

        By workflow and key it is `find(workflow, key).signal(name, value)`.
        """
        Handle(self, id, "").signal(name, value, id=signal_id, connection=connection)

    def complete(self, token: str, value: Any = None, *, connection: object = None) -> None:
        """Complete a callback token: `hydra.wait_callback(token)` gives the value, now or later.

        It happens once: with the same value it may be repeated, another is refused. With a `connection` it becomes real
        with your own open transaction, as of `submit`; keep that short, since it holds the execution until it ends.

        Raises:
            IllegalMove: it was completed with another value, its wait ran out of time, or its execution has ended.
            NotFound: the token is unknown, or was made before the execution's last `continue_as_new`.
            PayloadError: the value does not fit the type that is waited for, or cannot be encoded.
        """
        callback = callbacks.Callback.of(token)
        id = callback.execution_id
        waits = [each for each in self.read(lambda store: store.waits(id)) if each.name == callback.name]
        awaited = awaited_of(waits) or announced_by(callback, completions.read_records(self.read, callback))
        refuse_unfit(id, "a callback", value, awaited)
        self._settle(token, callbacks.completion(value), connection)

    def fail(self, token: str, reason: str, *, connection: object = None) -> None:
        """Complete a callback token with a failure: `hydra.wait_callback(token)` raises CallbackFailed with the
        `reason`.

        Raises what `complete` raises.
        """
        self._settle(token, callbacks.failure(reason), connection)

    def worker(self, concurrency: int = 8, *, only: Sequence[str] = (), labels: Sequence[str] = ()) -> LocalWorker:
        """A worker in this process, as a context manager; for scripts and tests.

            with engine.worker():
                print(engine.submit(bill.bind("visa-1", 1999)).result())

        Args:
            concurrency: how many executions it runs at a time.
            only: names of workflows, or patterns such as `bill*`: it runs no others. Empty: all.
            labels: it also runs workflows that ask for labels, where all of them are among these.

        Raises:
            ConfigError: for a name or a label that cannot be; at its start for a workflow that is not defined.
        """
        count = config.count_of(concurrency, "`concurrency`")
        patterns, names = config.workflow_patterns(only), config.label_names(labels, "`labels`")
        return local_worker.make(self.url, self.namespace, count, patterns, names)

    # inside

    def _settle(self, token: str, payload: bytes, connection: object) -> None:
        if connection is None:
            completions.settle(token, payload, self.read, self.write)
            return

        def put(message: Message) -> Sequence[object]:
            return self.join(lambda store, now: store.signal_in(connection, [message], now))

        completions.settle_in(token, payload, self.read, put)
