"""What breaks in the simulated world: processes, hosts, replies, the database, time; and what operators do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hydra.dispatch import events
from hydra.dispatch.worker_ends import WorkerEnd
from hydra.frames import Hello, Recycle

from tests.simulation.model_clock import LONGEST_GLITCH_NS, SECOND_NS

if TYPE_CHECKING:
    from tests.simulation.world import World


class Faults:
    """So many are left; each method is one kind, and tells whether it broke something."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.left = world.plan.faults
        self.kills = 0  # of workers, by a fault or by what follows from one
        self.happened: set[str] = set()

    def strike(self) -> None:
        """One of them, if it finds something to break."""
        kinds: list[Callable[[], bool]] = [
            self.kill_worker,
            self.kill_worker,
            self.kill_supervisor,
            self.kill_host,
            self.pause,
            self.stop_worker,
            self.lose,
            self.lose,
            self.roll_back,
            self.toggle_store,
            self.leap,
            self.cancel,
            self.overrun,
            self.stall,
            self.drain,
            self.reload,
        ]
        if self.world.plan.sleep_seconds:
            kinds += [self.jump_clock, self.jump_clock, self.slew_clock, self.set_clock]
        if self.world.plan.kinds:
            kinds = [kind for kind in kinds if kind.__name__ in self.world.plan.kinds]
        kind = self.world.random.choice(kinds)
        if kind():
            self.left -= 1
            self.happened.add(kind.__name__)

    def kill_worker(self) -> bool:
        workers = self.world.living_workers()
        if workers:
            worker = self.world.random.choice(workers)
            self.world.note(f"FAULT {worker} is killed")
            self.kills += 1
            worker.die(WorkerEnd.of_signal(9))
        return bool(workers)

    def kill_supervisor(self) -> bool:
        """Its workers notice a little later; what it was writing may still be written."""
        node = self.world.some_node()
        if node is not None:
            self.world.note(f"FAULT supervisor of {node.name} is killed")
            self.world.orphans += [worker for worker in node.workers.values() if worker.is_alive]
            self.world.remove(node)
        return node is not None

    def kill_host(self) -> bool:
        node = self.world.some_node()
        if node is not None:
            self.world.note(f"FAULT host of {node.name} is lost")
            for worker in node.workers.values():
                worker.die(WorkerEnd.of_signal(9))
            self.world.remove(node)
        return node is not None

    def pause(self) -> bool:
        """SIGSTOP, then later SIGCONT."""
        if not self.world.nodes:
            return False
        node = self.world.random.choice(self.world.nodes)
        self.world.note(f"FAULT {node.name} is {'continued' if node.is_paused else 'stopped'}")
        node.is_paused = not node.is_paused
        return not node.is_paused

    def stop_worker(self) -> bool:
        workers = self.world.living_workers()
        if workers:
            worker = self.world.random.choice(workers)
            self.world.note(f"FAULT {worker} stands still")
            self.kills += 1
            worker.is_stopped = True
        return bool(workers)

    def lose(self) -> bool:
        heard = [t for t in self.world.store.transactions if t.listener is not None]
        if heard:
            t = self.world.random.choice(heard)
            self.world.note(f"FAULT reply lost: {t}")
            self.world.lose_reply(t)
        return bool(heard)

    def roll_back(self) -> bool:
        heard = [t for t in self.world.store.transactions if t.listener is not None]
        if heard:
            self.world.fail(self.world.random.choice(heard))
        return bool(heard)

    def toggle_store(self) -> bool:
        self.world.store.is_down = not self.world.store.is_down
        self.world.note(f"FAULT the database is {'down' if self.world.store.is_down else 'up'}")
        if self.world.store.is_down:
            for t in list(self.world.store.transactions):
                if t.is_open:
                    self.world.lose_reply(t)
                else:
                    self.world.fail(t)
        else:
            self.world.forget_beats()
        return not self.world.store.is_down

    def leap(self) -> bool:
        self.world.now_ns += int(self.world.random.random() * 2 * self.world.settings.lease_ttl_ns)
        self.world.note("FAULT time leaps")
        return True

    def jump_clock(self) -> bool:
        """The database's clock is wrong for some seconds, either way. Who starts meanwhile could not know: it ends."""
        if not self.world.can_change_clock():
            return False
        random = self.world.random
        by_seconds = random.choice((-1, 1)) * random.choice((3, 60, 3600, 100_000)) * (0.8 + random.random())
        for_ns = int((0.05 + 0.95 * random.random()) * LONGEST_GLITCH_NS)
        self.world.note(f"FAULT the database's clock is wrong by {by_seconds:.1f} s for {for_ns / 1e9:.1f} s")
        self.world.clock.glitch(int(by_seconds * 1e6), self.world.now_ns, for_ns)
        return True

    def slew_clock(self) -> bool:
        """It goes faster or slower, by up to 2 %."""
        if not self.world.can_change_clock():
            return False
        rate = 0.04 * (self.world.random.random() - 0.5)
        self.world.note(f"FAULT the database's clock gains {rate:.4f} s in each")
        self.world.clock.slew(rate, self.world.now_ns, int(self.world.random.random() * 30 * SECOND_NS))
        return True

    def set_clock(self) -> bool:
        """It was wrong and is set right, for good; what was begun before goes by the one or the other."""
        if not self.world.can_change_clock():
            return False
        by_seconds = self.world.random.choice((-60, -20, -5, 5, 60, 3600, 100_000)) * (0.8 + self.world.random.random())
        self.world.note(f"FAULT the database's clock is set by {by_seconds:.1f} s")
        self.world.set_clock(int(by_seconds * 1e6))
        return True

    def cancel(self) -> bool:
        self.world.store.cancel(self.world.random.choice(list(self.world.store.rows.values())))
        return True

    def overrun(self) -> bool:
        node = self.world.some_node()
        workers = [worker for worker in node.workers.values() if worker.is_alive and worker.bodies] if node else []
        if node and workers:
            worker = self.world.random.choice(workers)
            self.kills += 1
            if self.world.random.random() < 0.5:
                worker.outbox.append(
                    Recycle("a step ran past its time-out", self.world.now_ns + self.world.settings.lease_ttl_ns)
                )
            else:
                node.handle(events.StepOverdue(worker.slot, self.world.random.choice(list(worker.bodies))))
        return bool(workers)

    def stall(self) -> bool:
        workers = [
            worker
            for worker in self.world.living_workers()
            if not worker.outbox or not isinstance(worker.outbox[0], Hello)
        ]
        if workers:
            worker = self.world.random.choice(workers)
            worker.is_stalled = not worker.is_stalled
            self.world.tell_stalled(worker)
        return bool(workers)

    def drain(self) -> bool:
        node = self.world.some_node()
        if node is not None:
            node.handle(events.StopAsked() if self.world.random.random() < 0.3 else events.DrainAsked())
        return node is not None

    def reload(self) -> bool:
        node = self.world.some_node()
        if node is not None:
            node.handle(events.Reload([]))
        return node is not None
