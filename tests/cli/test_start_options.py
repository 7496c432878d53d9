"""What `hydra start` takes from its flags and from the environment."""

from __future__ import annotations

from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner
from hydra.circuit_breaker import CircuitSettings
from hydra.cli import nodes
from hydra.dispatch.circuits import NodeCircuits
from hydra.errors import ConfigError
from hydra.node import supervisor
from hydra.node.supervisor import SupervisorSettings

DAY_US = 86_400_000_000
GIVEN = {
    "HYDRA_WORKERS": "3",
    "HYDRA_CONCURRENCY": "5",
    "HYDRA_LEASE_TTL": "3s",
    "HYDRA_DRAIN_TIMEOUT": "90s",
    "HYDRA_LOG_FORMAT": "json",
    "HYDRA_RELOAD": "1",
    "HYDRA_SPAWN": "1",
    "HYDRA_HTTP": "127.0.0.1:9700",
    "HYDRA_TOKEN_FILE": "/etc/hydra/tokens",
    "HYDRA_ALLOW_HOST": "hydra.example.com",
    "HYDRA_METRIC_TAG": "run region",
    "HYDRA_METRICS_TOKEN": "open-sesame",
    "HYDRA_TRANSACTION_CONNECTIONS": "4",
    "HYDRA_ONLY": "billing, refund*",
    "HYDRA_LABELS": "gpu,eu",
    "HYDRA_CIRCUIT": "slow=2s claim.max-wait=9s dispatch.min-calls=4",
    "HYDRA_WORKER_MEMORY": "1.5G",
    "HYDRA_RETENTION": "30d failed=forever",
    "HYDRA_ARCHIVE": "/tmp/archive",
    "HYDRA_ARCHIVE_FORMAT": "parquet",
    "HYDRA_DB": "sqlite:////tmp/no.db",
    "HYDRA_NAMESPACE": "billing",
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[SupervisorSettings]:
    """What a supervisor would have been started with."""
    settings: list[SupervisorSettings] = []

    class Recording:
        def __init__(self, given: SupervisorSettings) -> None:
            settings.append(given)

        def run(self) -> int:
            return 0

    monkeypatch.setattr(supervisor, "Supervisor", Recording)
    return settings


def start(*arguments: str, **environment: Any) -> None:
    assert CliRunner().invoke(nodes.start, ["app", *arguments], env=environment).exit_code == 0


def test_every_flag_has_its_variable(started: list[SupervisorSettings]) -> None:
    flags = {
        option.opts[-1] if option.opts[-1].startswith("--") else option.opts[0]: option.envvar
        for option in nodes.start.params
        if isinstance(option, click.Option)
    }
    # In place of `HYDRA_DB`; a file; for all that the process opens.
    others = {"HYDRA_DB_MAP", "HYDRA_PAYLOAD_KEYS", "HYDRA_OFFLOAD", "HYDRA_OFFLOAD_OVER"}
    assert set(flags.values()) == {*GIVEN, *others}
    assert all(name == f"HYDRA_{flag[2:].replace('-', '_').upper()}" for flag, name in flags.items())
    start(**GIVEN)
    assert started == [
        SupervisorSettings(
            module="app",
            url="sqlite:////tmp/no.db",
            namespace="billing",
            workers=3,
            concurrency=5,
            lease_ttl_seconds=3.0,
            drain_grace_seconds=90.0,
            log_format="json",
            reload=True,
            spawn=True,
            http="127.0.0.1:9700",
            page_token_file="/etc/hydra/tokens",
            page_hosts=("hydra.example.com",),
            metric_tags=["run", "region"],
            metrics_token="open-sesame",
            transaction_connections=4,
            only=("billing", "refund*"),
            labels=("eu", "gpu"),
            circuits=NodeCircuits(
                commit=CircuitSettings(slow_ns=2_000_000_000),
                claim=CircuitSettings(slow_ns=2_000_000_000, max_wait_ns=9_000_000_000),
                heartbeat=CircuitSettings(slow_ns=2_000_000_000),
                dispatch=msgspec.structs.replace(NodeCircuits().dispatch, min_calls=4),
            ),
            worker_memory_bytes=3 << 29,
            retention={"cancelled": 30 * DAY_US, "completed": 30 * DAY_US, "failed": None},
            archive="/tmp/archive",
            archive_format="parquet",
        )
    ]


@pytest.mark.parametrize("size", ["512", "0M", "many", "-1G", ""])
def test_a_size_of_memory_that_makes_no_sense_is_refused_in_one_sentence(size: str) -> None:
    refused = CliRunner().invoke(nodes.start, ["app", "--worker-memory", size])
    assert refused.exit_code == 2
    assert f"`{size}` is not a size; write a number and a unit: `512M` or `2G`" in refused.output


def test_a_flag_outweighs_its_variable(started: list[SupervisorSettings]) -> None:
    start("--drain-timeout", "5m", HYDRA_DRAIN_TIMEOUT="1s")
    assert started[0].drain_grace_seconds == 300.0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("slow", "`slow` sets no circuit; write `SETTING=VALUE` or `commit|claim|heartbeat|dispatch.SETTING=VALUE`"),
        ("beat.slow=1s", "`beat.slow=1s` sets no circuit; write"),
        ("dispatch.slow=1s", "`dispatch.slow=1s` names no setting of a circuit; there is window, min-calls"),
        ("claim.max-wait=fast", "`fast` is not a duration"),
        ("error-rate=0", "`error-rate` of a circuit breaker must lie above 0 and not above 1, not 0"),
        ("error-rate=nan", "`error-rate` of a circuit breaker must lie above 0 and not above 1, not nan"),
        ("min-calls=many", "`many` is not a whole number"),
        ("wait=1h", "`max-wait` of a circuit breaker must not be shorter than `wait`"),
    ],
)
def test_a_circuit_that_makes_no_sense_is_refused_in_one_sentence(given: str, sentence: str) -> None:
    refused = CliRunner().invoke(nodes.start, ["app", "--circuit", given])
    assert isinstance(refused.exception, ConfigError)
    assert sentence in str(refused.exception)
