"""Deletes what has been kept for long enough, on a thread and connections of its own; `dispatch/retention` says what.

Each LOOK_SECONDS it asks who else lives: of the nodes that run a workflow the newest sweeps it. What the database or
the archive does not take is left for the next time; what was not archived is not deleted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hydra.dispatch.retention import Ages, Waiting, Walk, ages_of, due_of, pause_seconds, swept_by
from hydra.errors import HydraError, NotFound
from hydra.node.archive import Archive
from hydra.stores import plain_store
from hydra.stores.store import Store
from hydra.stores.sweeping import Finished, Member
from hydra.stores.workflow_info import WorkflowInfo

if TYPE_CHECKING:  # what is not asked for is not imported
    from hydra.observability.metrics import Metrics

LOOK_SECONDS = 5.0
PAGE_SIZE = 500  # ends that are looked at together
BATCH_SIZE = 100  # executions that are archived, and deleted in one transaction
STOP_SECONDS = 10.0

log = logging.getLogger("hydra.retention")


class Sweeper:
    """`serve` and `close` from the node's thread. The thread begins with the first rule."""

    def __init__(
        self,
        url: str,
        namespace: str,
        node_id: Callable[[], str],
        is_idle: Callable[[], bool],
        *,
        default: Mapping[str, int | None] | None = None,
        archive: Archive | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._store: Store = plain_store(url, namespace)
        self._node_id = node_id
        self._is_idle = is_idle
        self._default = default or {}
        self._archive = archive
        self._metrics = metrics
        self._ages: dict[tuple[str, str], int] = {}
        self._walk = Walk()
        self._waiting = Waiting()
        self._damaged: set[str] = set()  # roots of trees that cannot be archived: they wait for nothing
        self._is_failing = False
        self._unreadable: set[str] = set()  # what was told of
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hydra-retention", daemon=True)

    def serve(self, workflows: Sequence[WorkflowInfo]) -> None:
        """The app's code from now on."""
        self._ages = ages_of(workflows, self._default)
        if self._ages and not self._thread.is_alive() and not self._stopping.is_set():
            self._thread.start()

    def close(self) -> None:
        """A batch under way is finished."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive():
            self._store.close()

    def sweep(self) -> int:
        """Everything that is due now; how many went."""
        count = 0
        ages = swept_by(self._node_id(), self._ages, self._store.servers())
        now = self._store.now()  # of the whole walk: what ends meanwhile is for the next
        self._walk.step_back(now)
        while ages and not self._stopping.is_set():
            count += self._sweep_waiting(ages)
            began = time.monotonic()
            look = self._walk.next(ages, now)
            if look is None:
                break
            ends = self._store.finished(look.after, look.until, PAGE_SIZE)
            self._rest(0, began)
            due = due_of(ends, look.age_us, ages)
            left: list[Finished] = []
            for start in range(0, len(due), BATCH_SIZE):
                batch = due[start : start + BATCH_SIZE]
                gone = self._delete(batch)
                count += len(gone)
                if self._stopping.is_set():
                    return count
                left += [each for each in batch if each.id not in gone and each.id not in self._damaged]
            missed = self._waiting.put(left, look.age_us, now)
            self._walk.seen(look, ends)
            self._walk.missed(look, missed, now)
        return count

    def _sweep_waiting(self, ages: Ages) -> int:
        """What could not go before, and may by now."""
        count = 0
        while not self._stopping.is_set():
            again = self._waiting.take(ages, self._store.now(), BATCH_SIZE)
            if not again:
                break
            began = time.monotonic()
            found = self._store.get([each.id for each in again])
            ends = {each.id: each.finished_at for each in found if each is not None}
            as_before = [each for each in again if ends.get(each.id) == each.finished_at]
            self._waiting.forget({each.id for each in again} - {each.id for each in as_before})
            self._rest(0, began)
            count += len(self._delete(as_before)) if as_before else 0
        return count

    def _delete(self, due: Sequence[Finished]) -> set[str]:
        """These with their trees, which are larger than a batch at times; what went."""
        all_gone: set[str] = set()
        while not self._stopping.is_set():
            began = time.monotonic()
            now = self._store.now()
            members = self._store.ended_trees([each.id for each in due], BATCH_SIZE)
            if members and self._archive is not None:
                members = self._archived(self._archive, members, now)
            gone = self._store.purge_known(members, now) if members else []
            all_gone.update(gone)
            self._waiting.forget(gone)
            self._tell(due, gone)
            self._rest(len(gone), began)
            if not gone:
                break
        return all_gone

    def _archived(self, archive: Archive, members: list[Member], now: int) -> list[Member]:
        """Those of trees that are in the archive whole: one damaged execution keeps no other (G7)."""
        unreadable = archive.write(self._store, [each.id for each in members], self._node_id(), now)
        for id in sorted(unreadable - self._unreadable):
            log.error("execution `%s` is kept: it cannot be read to be archived; look at it by `hydra show`", id)
        self._unreadable |= unreadable
        kept = {each.root_id for each in members if each.id in unreadable}
        self._damaged |= kept
        self._waiting.forget(kept)
        return [each for each in members if each.root_id not in kept]

    def _tell(self, due: Sequence[Finished], gone: Sequence[str]) -> None:
        if not gone:
            return
        log.info("deleted %d executions that were kept for long enough", len(gone))
        if self._metrics is not None:
            known = {each.id: each for each in due}
            for id in gone:
                if id in known:
                    self._metrics.purged.add((known[id].workflow, known[id].status))

    def _rest(self, gone_count: int, began: float) -> None:
        self._stopping.wait(pause_seconds(gone_count, time.monotonic() - began, is_idle=self._is_idle()))

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.sweep()
            except NotFound:
                continue  # somebody else was first
            except (HydraError, OSError) as error:
                if not self._is_failing:
                    log.error("what has ended is kept for longer than it should be: %s", error)
                self._is_failing = True
            except Exception:
                log.exception("what has ended is not deleted, and hydra does not know why; please report this")
            else:
                self._is_failing = False
