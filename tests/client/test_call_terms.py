"""What a call is submitted with beside its arguments is the same whoever submits it, on each database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import hydra
import pytest
from hydra.errors import ConfigError
from hydra.execution import Status
from hydra.schedules import SCHEDULE_TAG
from hydra.worker.imported_app import schedule_of
from hydra.workflow import registry

from tests.client.conftest import DATABASES

WAIT_SECONDS = 60
SECOND = 1_000_000
ACCOUNT = UUID("c0ffee00-1111-4222-8333-444455556666")
TERMS = (("concurrency:terms_places:acme", "concurrency:terms_regions:"), 600 * SECOND, {"tenant": "acme"})

done: list[str] = []


@hydra.step
def terms_step(tenant: str) -> str:
    done.append(tenant)
    return tenant


@hydra.workflow(
    timeout=timedelta(minutes=10),
    deadline=timedelta(hours=1),
    limits=[
        hydra.Concurrency(3, key="tenant", name="terms_places"),
        hydra.Concurrency(20, key="tag:region", name="terms_regions"),
    ],
    search={"tenant": str},
)
def carrying(tenant: str, number: int = 0) -> str:
    return terms_step(tenant)


@hydra.workflow(limits=[hydra.Concurrency(1, key="account", name="terms_accounts")])
def of_account(account: UUID) -> None: ...


@hydra.workflow(limits=[hydra.Concurrency(1, key=lambda tenant: tenant[:1], name="terms_by_code")])
def keyed_by_code(tenant: str) -> str:
    return terms_step(f"child of {tenant}")


@hydra.workflow
def spawning_both_ways() -> list[str]:
    return [hydra.spawn(carrying.bind("acme")).id, hydra.spawn(hydra.named("carrying").bind("acme")).id]


@hydra.workflow
def spawning_by_name(workflow: str, tenant: str) -> str:
    terms_step("before")
    return hydra.spawn(hydra.named(workflow).bind(tenant)).id


@hydra.workflow
async def spawning_later(workflow: str, tenant: str) -> str:
    return (await hydra.aio.spawn(hydra.named(workflow).bind(tenant), key=f"child of {tenant}")).id


@hydra.workflow(
    schedule=hydra.Cron("0 6 1 1 *"), limits=[hydra.Concurrency(1, key=f"tag:{SCHEDULE_TAG}", name="terms_ticks")]
)
def ticking_terms() -> None: ...


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest) -> Iterator[hydra.Engine]:
    """Of each database; a node that had all of this has been there."""
    done.clear()
    with hydra.Engine(DATABASES[request.param](request)) as engine:
        with engine.worker():
            until(lambda: any(each.name == "carrying" for each in engine.session().store.workflows()))
        yield engine
        assert engine.audit() == []


def until(is_so: Any) -> None:
    ends_at = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


@contextmanager
def without_code(*names: str) -> Iterator[None]:
    """As in a program, or a worker, of another app."""
    taken = {name: registry.workflows.pop(name) for name in names}
    try:
        yield
    finally:
        registry.workflows.update(taken)


def terms(engine: hydra.Engine, id: str) -> tuple[Any, ...]:
    found = engine.snapshot(id)
    return found.limit_keys, found.timeout_us, found.attributes


def test_r29_whoever_submits_a_call_it_is_limited_timed_and_found_alike(engine: hydra.Engine) -> None:
    with engine.worker():
        first = engine.submit(carrying.bind("acme"))
        by_name = engine.submit(hydra.named("carrying").bind("acme"))
        (of_many,) = engine.submit_many([hydra.named("carrying").bind("acme")])
        children = engine.submit(spawning_both_ways.bind()).result(WAIT_SECONDS)
        first.result(WAIT_SECONDS)
        ids = [first.id, by_name.id, of_many.id, *children]
        ids += [engine.fork(first.id, "terms_step").id, engine.rerun(first.id, force=True).id]
        ids.append(engine.fork(first.id, "terms_step", input=hydra.named("carrying").bind("acme")).id)
    with without_code("carrying"):
        ids.append(engine.submit(hydra.named("carrying").bind("acme")).id)
        with engine.worker():
            ids.append(engine.submit(spawning_by_name.bind("carrying", "acme")).result(WAIT_SECONDS))
            ids.append(engine.submit(spawning_later.bind("carrying", "acme")).result(WAIT_SECONDS))
    assert {id: terms(engine, id) for id in ids} == dict.fromkeys(ids, TERMS)


def test_a_delay_puts_off_the_time_out_and_not_the_deadline_of_a_call_by_name_and_a_fork_has_the_same(
    engine: hydra.Engine,
) -> None:
    with without_code("carrying"):
        delayed = engine.submit(hydra.named("carrying").bind("acme"), delay=timedelta(minutes=5))
        late = engine.submit(hydra.named("carrying").bind("acme"), delay=timedelta(minutes=55))
    found, other = engine.snapshot(delayed.id), engine.snapshot(late.id)
    assert found.timeout_at == found.run_at + 600 * SECOND
    assert other.timeout_at == other.submitted_at + 3600 * SECOND
    delayed.reschedule(delay=0)
    with engine.worker():
        delayed.result(WAIT_SECONDS)
        fork = engine.fork(delayed.id, "terms_step")
        fork.result(WAIT_SECONDS)
    assert terms(engine, fork.id) == TERMS


def test_r29_g7_a_child_whose_key_only_its_code_can_say_is_not_spawned_without_it(engine: hydra.Engine) -> None:
    with without_code("keyed_by_code"):
        with pytest.raises(ConfigError, match="the key of limit `terms_by_code` is a function"):
            engine.submit(hydra.named("keyed_by_code").bind("acme"))
        with engine.worker():
            parent = engine.submit(spawning_by_name.bind("keyed_by_code", "acme"))
            until(lambda: parent.status() is Status.PARKED)
    assert "workflow `keyed_by_code` was not spawned by its name: the key of limit" in parent.execution().reason
    assert engine.executions(workflow="keyed_by_code") == []
    assert done == ["before"]
    parent.resume()
    with engine.worker():
        child = engine.get(parent.result(WAIT_SECONDS))
        assert child.result(WAIT_SECONDS) == "child of acme"
    assert child.execution().limits == ["terms_by_code=a"]
    assert done == ["before", "child of acme"], "what came before is recorded"


def test_g7_mistakes_of_many_parents_are_no_failures_of_the_database(
    engine: hydra.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with without_code("keyed_by_code", "of_account"), engine.worker():
        mistaken = [engine.submit(spawning_by_name.bind("keyed_by_code", "acme")) for _ in range(20)]
        mistaken += [engine.submit(spawning_by_name.bind("of_account", "x" * 201)) for _ in range(10)]
        small = [engine.submit(carrying.bind("acme", number)) for number in range(3)]
        assert [each.result(WAIT_SECONDS) for each in small] == ["acme"] * 3
        until(lambda: all(each.status() is Status.PARKED for each in mistaken))
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("hydra")]
    assert sum("is parked: workflow" in line for line in lines) == len(mistaken)
    assert [line for line in lines if "failed and will be repeated" in line or "circuit" in line] == []


def test_what_no_node_has_registered_is_spawned_without_limits(engine: hydra.Engine) -> None:
    with engine.worker():
        id = engine.submit(spawning_by_name.bind("unheard_of", "acme")).result(WAIT_SECONDS)
    assert terms(engine, id) == ((), None, {})


def test_a_tag_that_a_hook_gives_tells_executions_apart(engine: hydra.Engine) -> None:
    class Regions(hydra.Middleware):
        @contextmanager
        def submit(self, call: Any) -> Iterator[None]:
            call.tags["region"] = "eu"
            yield

    async def submit() -> str:
        async with hydra.AsyncEngine(engine.url) as other:
            return (await other.submit(carrying.bind("acme"))).id

    hooks = Regions()
    hydra.add_middleware(hooks)
    try:
        ids = [engine.submit(carrying.bind("acme")).id, asyncio.run(submit())]
        with engine.worker():
            ids += engine.submit(spawning_both_ways.bind()).result(WAIT_SECONDS)
        with without_code("carrying"), engine.worker():
            ids.append(engine.submit(spawning_by_name.bind("carrying", "acme")).result(WAIT_SECONDS))
    finally:
        hydra.remove_middleware(hooks)
    assert {engine.snapshot(id).limit_keys[1] for id in ids} == {"concurrency:terms_regions:eu"}


def test_a_fork_with_other_arguments_keeps_the_tags_that_tell_it_apart(engine: hydra.Engine) -> None:
    with engine.worker():
        first = engine.submit(carrying.bind("acme"), tags={"region": "eu"})
        first.result(WAIT_SECONDS)
        fork = engine.fork(first.id, "terms_step", input=carrying.bind("other"))
        fork.result(WAIT_SECONDS)
    assert engine.snapshot(fork.id).limit_keys == ("concurrency:terms_places:other", "concurrency:terms_regions:eu")


def test_a_uuid_and_its_text_have_one_key(engine: hydra.Engine) -> None:
    text = str(ACCOUNT).upper()
    found = [engine.submit(of_account.bind(ACCOUNT)), engine.submit(hydra.named("of_account").bind(text))]
    with without_code("of_account"):
        found += [engine.submit(hydra.named("of_account").bind(text))]
        found += [engine.submit(hydra.named("of_account").bind(account=ACCOUNT))]
    assert {engine.snapshot(each.id).limit_keys for each in found} == {(f"concurrency:terms_accounts:{ACCOUNT}",)}


def test_ticks_know_their_schedule_as_a_tag() -> None:
    spec = schedule_of(ticking_terms, "app")
    assert spec is not None
    assert spec.limit_keys == ("concurrency:terms_ticks:ticking_terms",)
