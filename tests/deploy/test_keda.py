"""The ScaledObjects of `deploy/` and of the guide say what KEDA reads, where it does. `keda.py` asks KEDA itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.manifests import guide_scaled_object, scaled_object
from tests.deploy.test_alerts import series

SCALED_OBJECTS = {"deploy/kubernetes/keda.yaml": scaled_object, "docs/guides/scaling.md": guide_scaled_object}
METADATA = {"serverAddress", "query", "threshold", "activationThreshold", "ignoreNullValues"}  # what KEDA looks for


def triggers(name: str) -> list[dict[str, Any]]:
    return list(SCALED_OBJECTS[name]()["spec"]["triggers"])


@pytest.mark.parametrize("name", SCALED_OBJECTS)
def test_backlog_counts_for_each_pod_and_utilization_for_all(name: str) -> None:
    """A target for each pod (`AverageValue`) would want two pods at most for a ratio that never passes 100."""
    backlog, utilization = triggers(name)
    assert (backlog.get("metricType"), utilization.get("metricType")) == (None, "Value")
    assert set(backlog["metadata"]) | set(utilization["metadata"]) <= METADATA


@pytest.mark.parametrize("name", SCALED_OBJECTS)
def test_a_backlog_that_nobody_shows_is_no_empty_queue(name: str) -> None:
    """Where both read as 0, a database that is down would scale working pods away."""
    backlog, _ = triggers(name)
    assert backlog["metadata"]["ignoreNullValues"] == "false"
    assert "vector(" not in backlog["metadata"]["query"]


@pytest.mark.parametrize("name", SCALED_OBJECTS)
def test_queries_read_series_that_a_node_shows(name: str) -> None:
    for trigger in triggers(name):
        assert any(each in trigger["metadata"]["query"] for each in series())
