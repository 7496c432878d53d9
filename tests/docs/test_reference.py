"""The reference of the site has all there is: every public name, command, variable and series."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import hydra
import hydra.dashboard
import hydra.testing
import pytest
from hydra.observability.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
HIDDEN = {  # what handles, commands and workers use of an engine, and users do not
    hydra.Engine: {
        "accept", "fetched", "hooked", "is_open", "join", "max_payload_bytes", "new_session", "not_found", "prepare",
        "read", "refuse_keyed", "session", "snapshot", "tagged", "watcher", "write",
    },
    hydra.Handle: {"not_done", "read", "watch"},
    hydra.AsyncEngine: set(),
    hydra.AsyncHandle: set(),
}  # fmt: skip


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def api_pages() -> str:
    return "\n".join(page.read_text() for page in sorted(REFERENCE.glob("*.md")))


def test_every_public_name_stands_in_the_reference_once() -> None:
    named = re.findall(r"^::: (\S+)$", api_pages(), re.MULTILINE)
    named = ["hydra.workflow" if each == "hydra.workflow.workflow" else each for each in named]  # not the module
    assert len(named) == len(set(named))
    public = {
        f"{module.__name__}.{name}" for module in (hydra, hydra.dashboard, hydra.testing) for name in module.__all__
    }
    public |= {"hydra.logging.Filter", "hydra.logging.add_context", "hydra.contrib.otel.Tracing"}
    by_hand = {"hydra.__version__", "hydra.aio", "hydra.NOT_FOUND", "hydra.UNSURE"}
    assert {name for name in named if not name.startswith("hydra.aio.")} == public - by_hand
    assert "`hydra.NOT_FOUND`" in api_pages() and "`hydra.UNSURE`" in api_pages()


@pytest.mark.parametrize("owner", HIDDEN, ids=lambda owner: owner.__name__)
def test_every_method_of_the_engines_stands_in_the_reference(owner: type) -> None:
    found = re.search(rf"::: hydra\.{owner.__name__}\n    options:\n      members: \[([^\]]*)\]", api_pages())
    assert found is not None
    shown = set(found[1].replace("\n", " ").replace(" ", "").split(","))
    there = {name for name in dir(owner) if not name.startswith("_") and name not in getattr(owner, "__slots__", ())}
    assert shown == there - HIDDEN[owner]


def test_the_page_of_the_command_line_has_every_command_and_option(generate: ModuleType) -> None:
    page = generate.cli_page()
    for path, command in generate.commands(generate.main, "hydra"):
        assert f"## {path}\n" in page
        for option in generate.options_of(command):
            assert f"`{option.opts[0]}" in page


def test_the_page_of_settings_has_every_variable_that_the_code_reads(generate: ModuleType) -> None:
    page = generate.settings_page()
    assert set(generate.variables()) >= {"HYDRA_DB", "HYDRA_LEASE_TTL"}
    sources = "\n".join(path.read_text() for path in Path(hydra.__file__).parent.rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(HYDRA_\w+)\"", sources)) | set(generate.variables())
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []


def test_the_page_of_metrics_has_every_series(generate: ModuleType) -> None:
    page = generate.metrics_page()
    series = list(Metrics("default")._series())
    assert len(series) > 20
    assert [each.name for each in series if f"`{each.name}`" not in page] == []


NAMED = {
    "executions_submitted_total", "executions_finished_total", "execution_duration_seconds", "pickup_seconds",
    "pickup_sla_total", "steps_total", "step_duration_seconds", "step_retries_total", "steps_replayed_total",
    "payload_bytes", "queue_depth", "queue_age_seconds", "workers", "worker_utilization_ratio",
    "worker_restarts_total", "heartbeats_total", "leases_acquired_total", "leases_taken_over_total",
    "leases_lost_total", "store_operation_seconds", "store_errors_total", "store_connections",
    "commit_batch_size", "circuit_state", "circuit_transitions_total", "schedules_fired_total",
    "schedules_missed_total", "timer_lag_seconds", "purged_total", "parked", "nondeterminism_total",
    "clock_skew_seconds",
}  # fmt: skip


def test_every_series_of_the_design_is_there() -> None:
    series = {each.name.removeprefix("hydra_") for each in Metrics("default")._series()}
    assert NAMED - series == set()


def test_every_page_stands_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in pages if f": {page}" not in navigation] == []


def test_a_warning_ends_the_build_as_make_docs_runs_it(tmp_path: Path) -> None:
    found = re.search(r"\$\(BIN\)/(mkdocs build [^#\n]*)", (ROOT / "Makefile").read_text())
    assert found is not None
    (tmp_path / "mkdocs.yml").write_text("site_name: trial\ntheme: material\n")
    (tmp_path / "docs").mkdir()
    codes = []
    for text in ("# Trial\n", "# Trial\n\n[a page](that-is-not-there.md)\n"):
        (tmp_path / "docs" / "index.md").write_text(text)
        command = [sys.executable, "-m", *found[1].split()]
        codes.append(subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode)
    assert codes == [0, 1]
