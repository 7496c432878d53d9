"""The engine: what a program holds of a database. It submits, finds and reads executions; it runs none itself.

It opens with the first call that needs the database, and again after a fork: no connection or thread survives one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from hydra import config
from hydra.client import bulk, completions, local_worker, recorded_orders
from hydra.client.acting import author, is_said
from hydra.client.awaited import announced_by, awaited_of, refuse_unfit
from hydra.client.criteria import PAGE_SIZE, Criteria, check_criteria, check_place, walk
from hydra.client.handle import Handle
from hydra.client.local_worker import LocalWorker
from hydra.client.moved_reads import surely
from hydra.client.operations import Operations
from hydra.client.selection import Selection
from hydra.client.submissions import workflow_name
from hydra.client.submitting import Submitting
from hydra.client.views import Execution, execution_view
from hydra.client.why import Why, explain
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.database_map import find_database
from hydra.definitions import Workflow
from hydra.errors import NotFound
from hydra.execution import Message, Snapshot
from hydra.keys import check_known_key, is_id
from hydra.offload import Offload
from hydra.payload_keys import PayloadKeys
from hydra.records import callbacks
from hydra.sought import Attributes, check_sought
from hydra.stores.store import Store

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
        max_payload_bytes: of the arguments of one execution, encoded and not yet compressed; more is a
            PayloadTooLarge. 16 MiB by default, at most 1 GiB.
        timeout: seconds (or a timedelta) that a call waits for the database's answer, in place of the store's own
            limits. Past it, it raises StoreUnavailable. A submission may have happened then: repeat it with a `key`, or
            with the error's `execution_id`.
        db_map: in place of `url`: which database each namespace lives in. A mapping such as `{"shop-1": "postgresql://…",
            "eu-*": "…", "*": "…"}`, or the path of a file of such lines; by default `$HYDRA_DB_MAP`, where that is set.
            It is read once, here.
        payload_keys: a `hydra.PayloadKeys` with which payloads are encrypted; by default those of the file that
            `$HYDRA_PAYLOAD_KEYS` names, or none.
        offload: a `hydra.Offload`, which says where large values lie; by default what `$HYDRA_OFFLOAD` says, or None:
            in the database.

    Raises:
        ConfigError: for a URL, a namespace or a limit that cannot be, or where the map has no database for the
            namespace. Nothing is opened before the first call.
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
        db_map: str | os.PathLike[str] | Mapping[str, str] | None = None,
        payload_keys: PayloadKeys | None = None,
        offload: Offload | None = None,
    ) -> None:
        found = find_database(url, db_map, namespace)
        super().__init__(found, namespace, migrate, max_pending, max_payload_bytes, timeout, payload_keys, offload)

    def get(self, id: str) -> Handle[Any]:
        """The handle of an execution that exists.

        Raises:
            NotFound: there is none of that id in this namespace.
        """
        if not is_id(id):
            raise self._unknown(id)
        return Handle(self, id, self.snapshot(id).workflow)

    def find(self, workflow: Workflow[..., R] | str, key: str) -> Handle[R]:
        """The execution of that workflow and key.

        Raises:
            NotFound: there is none, or none any more: it was purged.
        """
        name = workflow_name(workflow)
        checked = check_known_key(key)

        def find(store: Store) -> Snapshot:
            found = store.find(name, checked)
            if found is None:
                raise NotFound(f"no execution of workflow `{name}` with key `{key}` in namespace `{self.namespace}`")
            return found

        return Handle(self, self.read(find).id, name)

    def executions(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
        *,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        reason: str | None = None,
        error: str | None = None,
        attributes: Attributes | None = None,
        after: str | None = None,
        oldest_first: bool = False,
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
            since: submitted then or later; an aware datetime, or a timedelta: that long ago.
            until: submitted before then; likewise.
            reason: a part of why it failed or is parked, in any case.
            error: what it failed of: a fingerprint of `Selection.errors`, or an exception's class.
            attributes: what it is found by, such as `{"customer": "c-17", "amount >=": 1000}`; all must match. Or as
                texts: `["customer=c-17", "amount>=1000"]`.
            after: the last id of the page before, where the oldest come first.
            oldest_first: the other way round.

        Raises:
            ConfigError: for a status, an instant, an attribute or an id that cannot be.
        """
        criteria = self._criteria(status, workflow, key, tags, since, until, reason, error, attributes)
        count = config.count_of(limit, "`limit`")
        places = {"before": check_place("before", before), "after": check_place("after", after)}
        size = count if reason is None and error is None else PAGE_SIZE
        chosen = msgspec.structs.replace(criteria.filter, limit=size, is_oldest_first=oldest_first, **places)
        found: list[Execution] = []
        for page in self.read(lambda store: walk(store, msgspec.structs.replace(criteria, filter=chosen))):
            found += [execution_view(snapshot) for snapshot, _ in page]
            if size == count or len(found) >= count:
                break
        return found[:count]

    def select(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        *,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        reason: str | None = None,
        error: str | None = None,
        attributes: Attributes | None = None,
    ) -> Selection:
        """Choose executions, to count them, group them, or act on all of them. The arguments are those of `executions`.

            late = engine.select(status="failed", workflow=bill, since=timedelta(hours=2))
            print(late.count(), late.retry(at_most=500).refused)

        Raises:
            ConfigError: for a status, an instant or an attribute that cannot be.
        """
        return Selection(self, self._criteria(status, workflow, key, tags, since, until, reason, error, attributes))

    def rerun(self, id: str, *, reason: str = "", force: bool = False) -> Handle[Any]:
        """Begin a new execution from the input of one that has ended, under its key; the handle of the new one.

            again = engine.rerun(failed.id, reason="bug 81 is fixed")

        For what failed, or was cancelled, and did nothing that still stands; what it did is undone, or is said by
        `force` to be no obstacle. The key goes over to the new execution in the same transaction, and both have a line
        in `acts()`. One that was run again before is not once more: it gives what was begun then. A `retry`, unlike
        this, keeps what is recorded and goes on from the failure.

        Args:
            id: of the one that has ended.
            reason: why, for those who ask later.
            force: also where it has completed, or did something that was not undone: all of it is done again, under
                other idempotency keys.

        Raises:
            NotFound: there is none of that id.
            IllegalMove: it has not ended, its key is another's by now, or it needs `force`.
        """
        source = self.get(id)
        return Handle(self, bulk.run_again(self, id, reason, force), source.workflow)

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
        return local_worker.make(self.url, self.namespace, count, patterns, names, self.payload_keys, self.offload)

    # inside

    def _criteria(
        self,
        status: str | None,
        workflow: Workflow[..., Any] | str | None,
        key: str | None,
        tags: dict[str, str] | None,
        since: datetime | timedelta | None,
        until: datetime | timedelta | None,
        reason: str | None,
        error: str | None,
        attributes: Attributes | None,
    ) -> Criteria:
        now = 0 if since is None and until is None else self.session().now()
        sought = () if attributes is None else check_sought(attributes)
        return check_criteria(status, workflow, key, tags, since, until, reason, error, now, sought)

    def _settle(self, token: str, payload: bytes, connection: object) -> None:
        by = author() if is_said() else None
        if connection is None:
            surely(self.session().store, lambda: completions.settle(token, payload, self.read, self.write, by))
            return

        def put(message: Message) -> Sequence[object]:
            return self.join(lambda store, now: recorded_orders.signal_in(store, connection, message, now, by))

        completions.settle_in(token, payload, self.read, put)
