"""`hydra.RetryAfter(…, key=…)`, and pauses of one key of a limit by a person: who waits, who goes on, what is shown."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import hydra
import pytest
from click.testing import CliRunner, Result
from hydra.cli import main
from hydra.errors import ConfigError, NotFound
from hydra.testing import Harness, crash_matrix


class Providers:
    """Each is called by name; those in `busy` say 429 so often."""

    def __init__(self) -> None:
        self.busy: dict[str, int] = {}
        self.calls: list[str] = []

    def call(self, name: str, key: str | None) -> str:
        self.calls.append(name)
        if self.busy.get(name, 0):
            self.busy[name] -= 1
            raise hydra.RetryAfter(30, "429", key=key)
        return name


providers = Providers()


@hydra.step
def cooled_call(provider: str, key: str | None) -> str:
    return providers.call(provider, key)


@hydra.workflow(limits=[hydra.Concurrency(4, key="provider"), hydra.Rate(1000, burst=1000, name="cooled.all")])
def cooled(provider: str, key: str | None = "provider") -> str:
    return cooled_call(provider, key)


@hydra.step
async def cooled_call_soon(provider: str) -> str:
    return providers.call(provider, "cooled_soon.provider")


@hydra.workflow(limits=[hydra.Rate(1000, burst=1000, key="provider", name="cooled_soon.provider")])
async def cooled_soon(provider: str) -> str:
    return await cooled_call_soon(provider)


@pytest.fixture(autouse=True)
def fresh() -> None:
    providers.__init__()  # type: ignore[misc]


@pytest.mark.parametrize("workflow", [cooled, cooled_soon])
def test_all_who_share_the_key_wait_until_then_others_go_on_and_no_attempt_is_charged(workflow: Any) -> None:
    with Harness() as h:
        providers.busy["stripe"] = 1
        first = h.submit(workflow.bind("stripe"))
        h.run_until_idle()
        others = [h.submit(workflow.bind("stripe")) for _ in range(3)]
        adyen = h.submit(workflow.bind("adyen"))
        h.run_until_idle()
        assert adyen.result(timeout=0) == "adyen"
        assert providers.calls == ["stripe", "adyen"]
        assert [each.status() for each in others] == [hydra.Status.PENDING] * 3
        h.advance(timedelta(seconds=29))
        assert len(providers.calls) == 2
        h.advance(timedelta(seconds=2))
        assert [each.result(timeout=0) for each in (first, *others)] == ["stripe"] * 4
        assert [record.attempt for record in first.records()] == [1, 2]  # of max_attempts=1


class TooMany(Exception):
    def __init__(self) -> None:
        super().__init__("429")
        self.headers = {"Retry-After": "30"}


@hydra.step(retry_delay=hydra.retry_after_header, cool_down="provider")
def answered(provider: str) -> str:
    providers.calls.append(provider)
    if providers.busy.get(provider, 0):
        providers.busy[provider] -= 1
        raise TooMany
    if provider == "broken":
        raise ValueError("no header")
    return provider


@hydra.workflow(limits=[hydra.Concurrency(4, key="provider", name="answered")])
def answers(provider: str) -> str:
    return answered(provider)


def test_with_cool_down_what_retry_delay_reads_off_an_error_is_meant_for_all_and_charges_no_attempt() -> None:
    with Harness() as h:
        providers.busy["stripe"] = 3
        first = h.submit(answers.bind("stripe"))
        broken = h.submit(answers.bind("broken"))
        h.run_until_idle()
        assert broken.status() == hydra.Status.FAILED  # of max_attempts=1
        second = h.submit(answers.bind("stripe"))
        h.run_until_idle()
        assert providers.calls.count("stripe") == 1
        assert second.status() == hydra.Status.PENDING
        h.advance(timedelta(minutes=3))
        assert [each.result(timeout=0) for each in (first, second)] == ["stripe"] * 2
        assert providers.calls.count("stripe") == 3 + 2
        assert all(record.attempt <= 4 for record in first.records())


@pytest.mark.parametrize("key", ["", 5])
def test_a_cool_down_that_cannot_be_is_refused_at_its_definition(key: Any) -> None:
    with pytest.raises(ConfigError, match="`cool_down` names a limit by its key or its name, not "):
        hydra.step(name="odd_cool_down", cool_down=key)(_plain)


def _plain() -> None: ...


def test_a_limit_may_be_meant_by_its_name_and_without_a_key_only_the_execution_itself_waits() -> None:
    with Harness() as h:
        providers.busy["stripe"] = 2
        h.submit(cooled.bind("stripe", None))
        h.run_until_idle()
        assert h.submit(cooled.bind("adyen", None)).status() == hydra.Status.PENDING
        h.run_until_idle()
        assert providers.calls == ["stripe", "adyen"]
        h.submit(cooled.bind("stripe", "cooled.all"))
        h.run_until_idle()
        waiting = h.submit(cooled.bind("adyen"))  # the limit is everybody's
        h.run_until_idle()
        assert providers.calls == ["stripe", "adyen", "stripe"]
        h.advance(timedelta(seconds=31))
        assert waiting.result(timeout=0) == "adyen"


def test_a_key_that_is_of_no_limit_is_told_and_only_the_execution_itself_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Harness() as h, caplog.at_level(logging.WARNING, "hydra.worker"):
        providers.busy["stripe"] = 1
        handle = h.submit(cooled.bind("stripe", "provder"))
        h.run_until_idle()
        assert "step `cooled_call` cools down `provder`, and its workflow has no limit of that key" in caplog.text
        assert h.submit(cooled.bind("stripe")) and h.run_until_idle() is None
        assert providers.calls == ["stripe", "stripe"]
        h.advance(timedelta(seconds=31))
        assert handle.result(timeout=0) == "stripe"


def test_g4_a_crash_at_any_boundary_cools_the_key_down_and_calls_no_more_than_once_more() -> None:
    report = crash_matrix(
        cooled.bind("stripe"), setup=lambda harness: providers.busy.update(stripe=1), effects=lambda: None
    )
    assert report.result == "stripe"
    assert report.crash_count >= 4


@pytest.mark.parametrize("key", ["", 5, b"stripe"])
def test_a_key_that_cannot_be_is_refused_where_it_is_raised(key: Any) -> None:
    with pytest.raises(ConfigError, match="`key` of a RetryAfter names a limit by its key or its name, not "):
        hydra.RetryAfter(30, key=key)


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        with engine.worker(2):
            engine.submit(cooled.bind("adyen")).result(60)
        yield engine


def run(engine: hydra.Engine, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--db", engine.url])


def test_a_person_pauses_and_resumes_one_key_of_a_limit(engine: hydra.Engine) -> None:
    order = ("--limit", "cooled.provider", "--key", "stripe")
    done = run(engine, "pause", *order, "--reason", "their bank is down")
    assert done.output == "key `stripe` of limit `cooled.provider` is paused\n"
    with engine.worker(2):
        waits = engine.submit(cooled.bind("stripe"))
        assert engine.submit(cooled.bind("adyen")).result(60) == "adyen"
        assert waits.status() == hydra.Status.PENDING
        found = engine.why(waits.id)
        assert found.reason == "key_paused"
        assert "the limit `cooled.provider=stripe` is paused by " in found.sentence
        shown = run(engine, "limits", "show", "cooled.provider").stdout
        assert shown.split()[:4] == ["key", "held", "waiting", "paused"]
        assert "(their bank is down)" in shown
        adyen, stripe = engine.limit_keys("cooled.provider")
        assert adyen.pause is None
        assert stripe.pause is not None and stripe.pause.until is None
        assert run(engine, "resume-workflow", *order).output == "key `stripe` of limit `cooled.provider` goes on\n"
        assert waits.result(60) == "stripe"
    assert run(engine, "resume-workflow", *order).output == ("key `stripe` of limit `cooled.provider` was not paused\n")


def test_a_pause_may_have_an_end_and_a_limit_without_keys_needs_none(engine: hydra.Engine) -> None:
    assert run(engine, "pause", "--limit", "cooled.all", "--for", "1h").output == "limit `cooled.all` is paused\n"
    (key,) = engine.limit_keys("cooled.all")
    assert key.pause is not None and key.pause.until is not None
    assert key.pause.until - key.pause.paused_at == timedelta(hours=1)
    assert engine.resume_limit("cooled.all")


def test_a_pause_that_cannot_be_is_refused_in_one_sentence(engine: hydra.Engine) -> None:
    with pytest.raises(NotFound, match=r"no limit is named `nobodys` in this namespace; there are .*`cooled\.all`"):
        engine.pause_limit("nobodys", "acme")
    with pytest.raises(ConfigError, match=r"limit `cooled\.provider` has keys, such as `adyen`; say which"):
        engine.pause_limit("cooled.provider")
    with pytest.raises(ConfigError, match=r"the key of limit `cooled\.provider` must be a text of"):
        engine.pause_limit("cooled.provider", "a\nb")
    with pytest.raises(ConfigError, match="the duration of a pause"):
        engine.pause_limit("cooled.provider", "adyen", duration=-1)
    with pytest.raises(ConfigError, match="`reason` must be a text of at most"):
        engine.pause_limit("cooled.provider", "adyen", reason="x" * 2000)
    assert all(key.pause is None for key in engine.limit_keys("cooled.provider"))
