"""`hydra limits`: what holds, who waits, and other numbers until they are reset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner, Result
from hydra.cli import main
from hydra.client import limit_orders
from hydra.errors import ConfigError, NotFound


@hydra.workflow(
    name="limited_by_order", limits=[hydra.Concurrency(2, key="tenant"), hydra.Rate(1000, burst=1000, key="tenant")]
)
def limited(tenant: str) -> str:
    return tenant


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[hydra.Engine]:
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        with engine.worker(2):
            engine.submit(limited.bind("acme")).result(60)
        yield engine


def run(engine: hydra.Engine, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--db", engine.url])


def holds(engine: hydra.Engine, name: str) -> str:
    done = run(engine, "limits", "--json")
    (found,) = [each for each in json.loads(done.stdout) if each["name"] == name]
    return f"{found['count']} {found['per']} {found['burst']} {found['is_set']}"


def test_limits_are_listed_changed_and_reset(engine: hydra.Engine) -> None:
    assert holds(engine, "limited_by_order.tenant") == "2 None None False"
    assert run(engine, "limits", "set", "limited_by_order.tenant", "--max", "10").exit_code == 0
    assert holds(engine, "limited_by_order.tenant") == "10 None None True"
    assert "10 at once" in run(engine, "limits").stdout
    rate = "limited_by_order.tenant.rate"
    line = next(line for line in run(engine, "limits").stdout.splitlines() if line.startswith(rate))
    assert line.rstrip().split("  ")[-1].strip() == "1000 in 1 s, burst 1000"  # the code's, if nobody set one
    assert line.count("1000 in 1 s, burst 1000") == 2
    assert run(engine, "limits", "set", rate, "--max", "60", "--per", "1m").exit_code == 0
    assert holds(engine, rate) == "60 60.0 1000 True"
    assert run(engine, "limits", "reset", rate).exit_code == 0
    assert holds(engine, rate) == "1000 1.0 1000 False"
    assert run(engine, "limits", "show", "limited_by_order.tenant").stdout.split()[-3:] == ["acme", "0", "0"]


def test_an_operators_number_survives_the_next_start(engine: hydra.Engine) -> None:
    engine.set_limit("limited_by_order.tenant", 7)
    with engine.worker(2):
        engine.submit(limited.bind("acme")).result(60)
    assert holds(engine, "limited_by_order.tenant") == "7 None None True"


def test_what_cannot_be_is_refused_in_one_sentence(engine: hydra.Engine) -> None:
    with pytest.raises(NotFound, match=r"no limit is named `nobodys` in this namespace; there are .*`limited_by_order"):
        engine.set_limit("nobodys", 1)
    with pytest.raises(ConfigError, match="nothing is to change of limit"):
        engine.set_limit("limited_by_order.tenant")
    with pytest.raises(ConfigError, match="is one of concurrency, which has neither `per` nor `burst`"):
        engine.set_limit("limited_by_order.tenant", per=1)
    with pytest.raises(ConfigError, match=r"`per` of `hydra.Rate` must be more than 0 seconds"):
        engine.set_limit("limited_by_order.tenant.rate", per=0)
    done = run(engine, "limits", "set", "limited_by_order.tenant", "--max", "0")
    assert done.exit_code == 2
    assert "the count of limit `limited_by_order.tenant`" in done.stderr


@hydra.workflow(name="hourly", limits=[hydra.Rate(1, per=3600.0, name="hr")])
def hourly(number: int) -> int:
    return number


def test_of_a_rate_it_is_shown_when_its_next_token_is_due(engine: hydra.Engine) -> None:
    with engine.worker(2):
        engine.submit(hourly.bind(0)).result(60)
        assert [(key.held, key.waiting, key.next_at) for key in engine.limit_keys("hr")] == [(None, 0, None)]
        second = engine.submit(hourly.bind(1))
        soon = datetime.now(UTC) + timedelta(minutes=1)
        while (due_at := (key := engine.limit_keys("hr")[0]).next_at) is None or due_at < soon:
            assert datetime.now(UTC) < soon, key
        assert (key.held, key.waiting) == (None, 1)
        why = run(engine, "why", second.id).stdout
    shown = run(engine, "limits", "show", "hr").stdout
    assert shown.split()[:4] == ["key", "waiting", "next", "token"]
    assert f"{due_at:%Y-%m-%d %H:%M:%S}" in shown
    assert f"a token of the rate `hr`, whose next one is due at {due_at:%Y-%m-%d %H:%M:%S}" in why


@hydra.workflow(name="by_turns_of_order", limits=[hydra.Fair("tenant", weight={"gold": 3})])
def taking_turns(tenant: str) -> str:
    return tenant


def test_weights_are_shown_changed_and_reset(engine: hydra.Engine) -> None:
    name = "by_turns_of_order.tenant.fair"
    with engine.worker(2):
        assert engine.submit(taking_turns.bind("acme")).result(60) == "acme"
    line = next(line for line in run(engine, "limits").stdout.splitlines() if line.startswith(name))
    assert line.count("turns by weight") == 2
    shown = run(engine, "limits", "show", name).stdout.splitlines()
    assert [line.split() for line in shown[-2:]] == [["acme", "0", "1", "1"], ["gold", "0", "3", "3"]]
    assert run(engine, "limits", "set", name, "--key", "acme", "--weight", "0.5").exit_code == 0
    assert [(key.value, key.weight, key.code_weight) for key in engine.limit_keys(name)] == [
        ("acme", 0.5, 1.0),
        ("gold", 3.0, 3.0),
    ]
    with engine.worker(2):  # an operator's weight survives the next start
        engine.submit(taking_turns.bind("acme")).result(60)
    assert [key.weight for key in engine.limit_keys(name)] == [0.5, 3.0]
    assert run(engine, "limits", "reset", name).exit_code == 0
    assert [key.weight for key in engine.limit_keys(name)] == [1.0, 3.0]


def test_what_is_counted_no_further_says_so(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_orders, "COUNTED_WAITING", 2)
    name = "limited_by_order.tenant"
    for waiting, shown in ((1, "1"), (2, "2 or more"), (3, "2 or more")):
        engine.submit(limited.bind("acme"))  # without a node all wait
        assert run(engine, "limits", "show", name).stdout.strip().endswith(f"  {shown}"), waiting
    assert json.loads(run(engine, "limits", "show", name, "--json").stdout)[0]["waiting"] == 2
    assert "says `10,000 or more`" in " ".join(run(engine, "limits", "show", "--help").stdout.split())


def test_what_cannot_be_a_weight_is_refused_in_one_sentence(engine: hydra.Engine) -> None:
    name = "by_turns_of_order.tenant.fair"
    with engine.worker(2):
        engine.submit(taking_turns.bind("acme")).result(60)
    for arguments, sentence in (
        ([name, "--max", "3"], f"limit `{name}` gives turns and has no numbers but `max_pending`"),
        ([name, "--key", "acme"], "a weight is that of a key's value; give both `--key` and `--weight`"),
        ([name, "--key", "acme", "--weight", "-1"], "the weight of 'acme' must be from 0.01 to 100, not -1.0"),
        ([name, "--key", "acme", "--weight", "1", "--max", "3"], "a weight is changed alone"),
        (["limited_by_order.tenant", "--key", "acme", "--weight", "1"], "is no `hydra.Fair`"),
    ):
        done = run(engine, "limits", "set", *arguments)
        assert done.exit_code == 2
        assert sentence in " ".join(done.stderr.split())


def test_two_looks_at_once_are_refused_in_one_sentence(engine: hydra.Engine) -> None:
    done = run(engine, "stats", "--over", "0s")
    assert done.exit_code == 2
    assert done.stderr.strip().endswith("`over` must be more than 0 seconds: the two looks are that far apart")
