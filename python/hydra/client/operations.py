"""What an operator does with a database: schedules, pauses, limits, counts, nodes, audit, purge, migration."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from hydra.client import act_orders, approving, limit_orders, pause_orders, schedule_orders
from hydra.client.act_orders import ActView
from hydra.client.acting import acting, author
from hydra.client.approvals import ApprovalView, Rule, What, need, shown_approvals
from hydra.client.bulk import Acted
from hydra.client.database_access import DatabaseAccess
from hydra.client.handle import Handle
from hydra.client.limit_orders import Limit, LimitKey, limit_views
from hydra.client.open_circuits import OpenCircuit, read_circuits
from hydra.client.pause_orders import PauseView, pause_view
from hydra.client.pending_bounds import PendingBounds
from hydra.client.schedule_orders import Schedule, schedule_view
from hydra.client.submissions import workflow_name
from hydra.clock import seconds_of
from hydra.config import count_of, to_moment
from hydra.definitions import Workflow
from hydra.errors import ConfigError
from hydra.stores import open_store
from hydra.stores.approvals import ApprovalKind
from hydra.stores.findings import Violation
from hydra.stores.loads import Demands, demands
from hydra.stores.node_states import NodeState
from hydra.stores.pauses import PauseKind
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo


class Operations(DatabaseAccess):
    """The part of `Engine` that operates what runs."""

    pending_bounds: PendingBounds  # as the part that submits knows them

    # who orders what

    def acting(self, by: str | None = None, *, reason: str = "") -> AbstractContextManager[None]:
        """Say who gives the orders inside, and why; every one of them has a line of it (`acts`), signals too.

            with engine.acting(by="token:ops", reason="bug 81 is fixed"):
                engine.select(status="failed", workflow="bill").retry()

        It holds for what this thread or task does with any engine, until the block ends; blocks lie in one another.

        Args:
            by: a text of 1 to 200 characters; None: as outside. Where nobody says who, it is `program:NAME`, the
                command line says the user of the operating system.
            reason: for orders that give none themselves.

        Raises:
            ConfigError: for texts that cannot be.
        """
        return acting(by, reason)

    def acts(
        self,
        *,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        by: str | None = None,
        kind: str | None = None,
        limit: int = 100,
    ) -> list[ActView]:
        """What was ordered in this namespace, newest first: by whom, when, from where, why, and what was before.

            for act in engine.acts(since=timedelta(hours=2), by="token:ops"):
                print(act.done_at, act.kind, act.execution_id, act.reason)

        What was purged takes its lines along, but for that it was deleted by hand.

        Args:
            since: done then or later; an aware datetime, or a timedelta: that long ago.
            until: done before then; likewise.
            by: a part of who did it.
            kind: such as "retry"; see `ActView`.
            limit: how many at most.

        Raises:
            ConfigError: for an instant, a kind or a limit that cannot be.
        """
        now = 0 if since is None and until is None else self.session().now()
        first = None if since is None else to_moment(since, now)
        last = None if until is None else to_moment(until, now)
        return act_orders.recent_acts(self, first, last, by, kind, count_of(limit, "`limit`"))

    # what takes a second person

    def require_approval(self, acts: Sequence[str], *, within: timedelta | float = 3600.0, reason: str = "") -> None:
        """Have these acts take a second person in this namespace, whoever orders them, by whatever way, from now on.

            engine.require_approval(["resolve", "cancel", "purge"], within=timedelta(hours=4))

        Such an act then raises `ApprovalNeeded` and is asked for; somebody of another name does it by `approve`. Where
        a rule holds, another one takes a second person, too.

        Args:
            acts: "resolve" (of a step in doubt), "cancel" (without undo), "purge" (every deletion by hand); []: none.
            within: seconds, or a timedelta, after which what was asked for expires: 1 second to 30 days.
            reason: why, for those who ask later; `acts()` has it.

        Raises:
            ConfigError: for an act or a time that cannot be.
            ApprovalNeeded: a rule holds, so this was asked for.
        """
        approving.require(self, acts, within, reason)

    def approval_rule(self) -> Rule:
        """Which acts take a second person now."""
        return approving.read_rule(self)

    def approvals(self) -> list[ApprovalView]:
        """What was asked for and takes a second person, newest first: what waits, and what was decided in the last
        days."""
        return shown_approvals(self.read(lambda store: store.approvals()), self.session().now())

    def approve(self, id: str, *, reason: str = "") -> Acted:
        """Do what somebody else has asked for; its lines have both names. Done once more it does what is left, where
        the program ended in between.

        Args:
            id: of the approval.
            reason: why, for those who ask later.

        Raises:
            NotFound: there is no such approval.
            IllegalMove: it was decided before, its time is over, who approves it has asked for it, or the execution
                has moved on.
            ConfigError: a program does so without saying who it is; see `acting`.
        """
        return approving.approve(self, id, reason)

    def refuse(self, id: str, *, reason: str = "") -> None:
        """Have it not be done. Whoever asked for it may take it back so.

        Raises:
            NotFound: there is no such approval.
            IllegalMove: it was decided before, or its time is over.
            ConfigError: a program does so without saying who it is; see `acting`.
        """
        approving.refuse(self, id, reason)

    # schedules, by the name of their workflow

    def schedules(self) -> list[Schedule]:
        """Every schedule that a node has registered, with its state, its next tick and its last one."""
        return [schedule_view(state) for state in self.read(lambda store: store.schedules())]

    def pause_schedule(self, name: str) -> None:
        """Fire no more ticks of the workflow of that name until it is resumed; what runs goes on.

        Raises:
            NotFound: no node has registered a schedule of that name.
        """
        schedule_orders.pause(self.session(), name)

    def resume_schedule(self, name: str) -> None:
        """Go on with the next tick; those of the pause are passed over, and can be backfilled.

        Raises:
            NotFound: no node has registered a schedule of that name.
        """
        schedule_orders.resume(self.session(), name)

    def trigger_schedule(self, name: str) -> Handle[Any]:
        """Run its workflow now, whatever else runs; its handle. Later ticks treat it as they treat each other
        (`overlap`).

        Raises:
            NotFound: no node has registered a schedule of that name.
        """
        return Handle(self, schedule_orders.trigger(self.session(), name), name)

    def backfill_schedule(
        self, name: str, start: datetime, end: datetime, progress: Callable[[int, int], object] | None = None
    ) -> list[Handle[Any]]:
        """Run each tick from `start` to `end`, both included, that has no execution, beside whatever runs; the handles
        of what is new.

        Args:
            name: of the workflow.
            start: the first instant; without a zone it is in the schedule's own.
            end: the last one; only ticks that lie behind the schedule are run.
            progress: called with how many ticks are done, and how many there are.

        Raises:
            NotFound: no node has registered a schedule of that name.
            ConfigError: there are more than 10,000 ticks.
        """
        ids = schedule_orders.backfill(self.session(), name, start, end, progress)
        return [Handle(self, id, name) for id in ids]

    # stopping and going on

    def pauses(self) -> list[PauseView]:
        """What is paused, and which nodes were asked to drain; by whom, since when and why."""
        return [pause_view(pause) for pause in self.read(lambda store: store.pauses())]

    def pause_workflow(self, workflow: Workflow[..., Any] | str, *, reason: str = "") -> None:
        """Start none of its executions, on any node, until it is resumed.

            engine.pause_workflow("refund", reason="the bank is down")

        When it returns, nothing more of it is claimed. What runs goes on until it next suspends; what is submitted
        waits. It is kept in the database, so it outlasts every restart.

        Args:
            workflow: itself, or its name.
            reason: for those who ask why nothing happens.

        Raises:
            NotFound: no node has registered a workflow of that name, and nothing was submitted of it.
        """
        pause_orders.pause_workflow(self.session().store, self.write, workflow_name(workflow), reason)

    def resume_workflow(self, workflow: Workflow[..., Any] | str) -> bool:
        """Go on with a workflow that was paused; whether it was. A pause of the whole namespace stays."""
        name = workflow_name(workflow)
        return pause_orders.unpause(self.write, PauseKind.WORKFLOW, name)

    def pause_namespace(self, *, reason: str = "") -> None:
        """The same for everything in this namespace, workflows that come later included."""
        pause_orders.pause(self.write, PauseKind.NAMESPACE, "", reason)

    def resume_namespace(self) -> bool:
        """Go on with the namespace; whether it was paused. Workflows that were paused by themselves stay so."""
        return pause_orders.unpause(self.write, PauseKind.NAMESPACE, "")

    def drain_node(self, id: str, *, reason: str = "") -> None:
        """Have a node end as at SIGTERM: it takes no new work, and what runs gets its drain time. It learns of it with
        its next heartbeat. Whatever started its process may start another, which takes work.

        Raises:
            NotFound: no living node has that id.
        """
        pause_orders.drain_node(self.session().store, self.write, id, reason)

    # limits, by their name

    def limits(self) -> list[Limit]:
        """Every limit that a node has registered, with the numbers that hold now."""
        return limit_views(self.read(lambda store: store.limits()))

    def limit_keys(self, name: str) -> list[LimitKey]:
        """The first hundred keys of a limit: how many hold a place of each (of a rate: when its next token is due), and
        how many wait.

        Raises:
            NotFound: no node has registered a limit of that name.
        """
        return limit_orders.read_keys(self.session(), name)

    def set_limit(
        self,
        name: str,
        count: int | None = None,
        *,
        per: timedelta | float | None = None,
        burst: int | None = None,
        max_pending: int | None = None,
    ) -> None:
        """Have other numbers hold than the code's, at once and over restarts and deploys, until `reset_limit`.

            engine.set_limit("bill.tenant", 10)

        What runs above a lower number goes on. What is not given stays as it is.

        Args:
            name: of the limit, as `limits` has it.
            count: how many at once; of a rate, how many in each `per`.
            per: of a rate: seconds, or a timedelta.
            burst: of a rate: how many may begin at once after a lull.
            max_pending: how many of a key may wait at it; of `workflow:NAME` and `namespace:NAME`, which may be named
                here, too, how many may be pending. Past it submissions raise QueueFull.

        Raises:
            NotFound: no node has registered a limit of that name.
            ConfigError: for numbers that cannot be.
        """
        try:
            limit_orders.change(self.session(), name, count, per, burst, max_pending)
        finally:  # also where the database did not answer: it may have happened
            self.pending_bounds.forget()

    def set_weight(self, name: str, value: str, weight: float | None) -> None:
        """Have a value of a `Fair` get more or fewer turns than the code says, from its next turn on and over restarts
        and deploys, until `reset_limit`.

            engine.set_weight("bill.tenant.fair", "acme", 3)

        Args:
            name: of the limit, as `limits` has it.
            value: of the key, as `limit_keys` has it.
            weight: 0.01 to 100; None: the code's.

        Raises:
            NotFound: no node has registered a limit of that name.
            ConfigError: for a limit that is no `Fair`, or a weight that cannot be.
        """
        limit_orders.change_weight(self.session(), name, value, weight)

    def reset_limit(self, name: str) -> None:
        """Have the code's numbers, or weights, hold again.

        Raises:
            NotFound: no node has registered a limit of that name.
        """
        try:
            limit_orders.reset(self.session(), name)
        finally:
            self.pending_bounds.forget()

    def pause_limit(
        self, name: str, key: str | None = None, *, duration: timedelta | float | None = None, reason: str = ""
    ) -> None:
        """Have none go on at one key of a limit, on any node, until it is resumed, or for a while.

            engine.pause_limit("bill.tenant", "acme", reason="their card is stolen")

        What runs, or may run already, goes on until it next suspends. It survives restarts and deploys.

        Args:
            name: of the limit, as `limits` has it.
            key: as `limit_keys` shows it; None: of a limit without keys.
            duration: seconds, or a timedelta; None: until `resume_limit`.
            reason: for those who ask `hydra why`.

        Raises:
            NotFound: no node has registered a limit of that name.
            ConfigError: for a key, a duration or a reason that cannot be.
        """
        limit_orders.pause(self.session(), name, key, duration, reason)

    def resume_limit(self, name: str, key: str | None = None) -> bool:
        """Go on at one key of a limit; whether it was paused, or cooled down after a `RetryAfter`.

        Raises:
            NotFound: no node has registered a limit of that name.
            ConfigError: the limit has keys, and none is named.
        """
        return limit_orders.resume(self.session(), name, key)

    # the database as a whole

    def stats(self) -> Stats:
        """Counts by workflow and status, and due work that no living node serves."""
        session = self.session()
        return session.store.stats(session.now())

    def circuits(self) -> list[OpenCircuit]:
        """Which circuits are not closed: breakers of steps (`hydra.Breaker`), and those of nodes."""
        return self.read(lambda store: read_circuits(store, self.session().now()))

    def demands(self, over: timedelta | float | None = None) -> Demands:
        """The backlog, its age, and the places of living nodes, in all, by workflow and by label: what whoever adds or
        removes nodes goes by.

        Args:
            over: seconds (or a timedelta) between two looks, by which it also says how fast executions end, and when
                the backlog is gone at that rate; None: one look.
        """
        seconds = None if over is None else seconds_of(over, "`over`")
        if seconds == 0:
            raise ConfigError("`over` must be more than 0 seconds: the two looks are that far apart")
        session = self.session()
        before, began = None, session.now()
        if seconds is not None:
            before = session.store.stats(began)
            time.sleep(seconds)
        now = session.now()
        return demands(session.store.stats(now), now, before, (now - began) / 1e6)

    def workflows(self) -> list[WorkflowInfo]:
        """The workflows that supervisors have served in this namespace, with their signatures."""
        return self.read(lambda store: store.workflows())

    def nodes(self) -> list[NodeState]:
        """The supervisors that run, or ran, executions of this namespace, with their last heartbeats."""
        return self.read(lambda store: store.nodes())

    def audit(self) -> list[Violation]:
        """Every broken promise that the database can show. An empty list says that all of them hold.

        assert engine.audit() == []
        """
        return self.read(lambda store: store.audit())

    def purge(
        self, older_than: timedelta | float, progress: Callable[[int], object] | None = None, *, reason: str = ""
    ) -> int:
        """Delete the executions that ended longer ago than `older_than`, 1,000 in each transaction; how many went.

        After each transaction it rests twice as long as that took, so that claims go on as before. The executions' keys
        stay, so the same invoice never runs twice. `progress` is called with the count after each transaction.

        Args:
            older_than: seconds, or a timedelta.
            progress: called with how many have gone.
            reason: why, for those who ask later; `acts()` has it.

        Raises:
            ApprovalNeeded: it takes a second person, and was asked for; see `require_approval`.
        """
        by = author(reason)
        age_us = round(seconds_of(older_than, "`older_than`") * 1e6)
        before = self.session().now() - age_us
        need(self, ApprovalKind.PURGE, What(before=before), by)
        return act_orders.purge(self, before, by, progress)

    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this version of hydra; the schema's version before and after.

        Raises:
            SchemaError: the tables are of a newer hydra.
        """
        store = open_store(self.url, self.namespace)
        try:
            return store.migrate()
        finally:
            store.close()
