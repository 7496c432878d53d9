"""The alerts of `deploy/`: each fires in its scenario, reads series that there are, and has its page of what to do."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from hydra.cli import main
from hydra.observability.metrics import Counter, Gauge, Metrics

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "hydra.rules.yml"
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def series() -> set[str]:
    """What a node shows: histograms have buckets, a sum and a count."""
    names: set[str] = set()
    for each in Metrics("default")._series():
        plain = isinstance(each, Counter | Gauge)
        names |= {each.name} if plain else {f"{each.name}_{end}" for end in ("bucket", "sum", "count")}
    return names


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    assert program is not None, "promtool is missing; install Debian's package prometheus"
    done = subprocess.run([program, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_alert_fires_in_its_scenario_and_none_on_a_quiet_day() -> None:
    promtool("check", "rules", RULES.name)
    promtool("test", "rules", "hydra.test.yml")
    tested = yaml.safe_load((RULES.parent / "hydra.test.yml").read_text())["tests"]
    firing = {rule["alertname"] for test in tested for rule in test["alert_rule_test"] if rule.get("exp_alerts")}
    quiet = {rule["alertname"] for rule in tested[-1]["alert_rule_test"] if not rule.get("exp_alerts")}
    assert firing == quiet == {alert["alert"] for alert in alerts()}


def test_alerts_and_dashboard_read_series_that_a_node_shows() -> None:
    expressions = [alert["expr"] for alert in alerts()]
    board = json.loads((DEPLOY / "grafana" / "hydra.json").read_text())
    expressions += [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    read = {name for expression in expressions for name in re.findall(r"hydra_\w+", expression)}
    assert read <= series()


def test_the_dashboard_is_what_its_script_makes() -> None:
    made = subprocess.run(
        [sys.executable, str(DEPLOY / "grafana" / "dashboard.py")], capture_output=True, text=True, check=True
    ).stdout
    assert made == (DEPLOY / "grafana" / "hydra.json").read_text()


def test_each_alert_has_its_section_and_each_section_its_alert() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE)
    assert sections == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        assert alert["annotations"]["runbook_url"] == f"runbooks.html#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in ("page", "ticket")


def commands() -> list[str]:
    return sorted({found for found in re.findall(r"`(hydra [a-z][^`]*)`|^\$ (hydra [^#\n]*)", RUNBOOKS, re.MULTILINE)
                   for found in found if found})  # fmt: skip


@pytest.mark.parametrize("line", commands())
def test_each_command_of_the_runbooks_is_one(line: str) -> None:
    command: click.Command = main
    words = shlex.split(line.replace("…", ""))[1:]
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert command is not main, line
    options = {name for each in command.params for name in each.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_manifests_give_a_drain_its_time() -> None:
    """A node that is killed in its drain is no harm, but each of its executions waits for a lease."""
    deployment = next(yaml.safe_load_all((DEPLOY / "kubernetes" / "deployment.yaml").read_text()))
    pod = deployment["spec"]["template"]["spec"]
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert pod["terminationGracePeriodSeconds"] == int(environment["HYDRA_DRAIN_TIMEOUT"].removesuffix("s")) + 15
    unit = (DEPLOY / "systemd" / "hydra.service").read_text()
    variables = (DEPLOY / "systemd" / "hydra.env").read_text()
    drain = re.search(r"^HYDRA_DRAIN_TIMEOUT=(\d+)s$", variables, re.MULTILINE)
    stop = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert drain is not None and stop is not None
    assert int(stop[1]) == int(drain[1]) + 15


def test_manifests_set_variables_that_hydra_start_reads() -> None:
    known = {option.envvar for option in main.commands["start"].params} | {"HYDRA_DB"}
    texts = [path.read_text() for path in DEPLOY.rglob("*") if path.suffix in (".yaml", ".env", "") and path.is_file()]
    used = {name for text in texts for name in re.findall(r"\bHYDRA_\w+", text)}
    assert used and used <= known
    for path in (DEPLOY / "kubernetes").glob("*.yaml"):
        assert all(each["apiVersion"] and each["kind"] for each in yaml.safe_load_all(path.read_text()))
