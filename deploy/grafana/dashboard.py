"""Makes `hydra.json`, a dashboard for Grafana: `python deploy/grafana/dashboard.py > deploy/grafana/hydra.json`.

Four rows: is work picked up, does it succeed, are nodes well, is the database well.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

HERE = 'namespace=~"$namespace"'
WIDTH, HEIGHT, ACROSS = 8, 8, 3  # of a panel, on Grafana's grid of 24; panels in a row


class Panel(NamedTuple):
    title: str
    unit: str
    queries: dict[str, str]
    """Legend to expression."""


def quantiles(name: str, by: str = "") -> dict[str, str]:
    legend = f" {{{{{by}}}}}" if by else ""
    buckets = f"sum by ({f'le, {by}' if by else 'le'}) (rate({name}_bucket{{{HERE}}}[5m]))"
    return {f"p{share * 100:g}{legend}": f"histogram_quantile({share}, {buckets})" for share in (0.5, 0.99)}


def rate(name: str, by: str, more: str = "") -> dict[str, str]:
    return {f"{{{{{by}}}}}": f"sum by ({by}) (rate({name}{{{HERE}{more}}}[5m]))"}


ROWS = {
    "Work": [
        Panel("Executions that ended", "ops", rate("hydra_executions_finished_total", "status")),
        Panel("Pickup: from due to claimed", "s", quantiles("hydra_pickup_seconds")),
        Panel(
            "Begun within 5 s",
            "percentunit",
            {
                "met": f'sum(rate(hydra_pickup_sla_total{{{HERE},result="met"}}[5m]))'
                f" / sum(rate(hydra_pickup_sla_total{{{HERE}}}[5m]))"
            },
        ),
        Panel("Open executions", "short", {"{{status}}": f"max by (status) (hydra_queue_depth{{{HERE}}})"}),
        Panel("Oldest due execution", "s", {"age": f"max(hydra_queue_age_seconds{{{HERE}}})"}),
        Panel("Backlog", "short", {"{{workflow}}": f"max by (workflow) (hydra_backlog{{{HERE}}})"}),
    ],
    "Success": [
        Panel("Failed by workflow", "ops", rate("hydra_executions_finished_total", "workflow", ',status="failed"')),
        Panel("Steps that are tried again", "ops", rate("hydra_step_retries_total", "step")),
        Panel(
            "Waiting for a person, or for a node that has their code",
            "short",
            {
                "parked": f"max(hydra_parked{{{HERE}}})",
                "unserved {{workflow}}": f"max by (workflow) (hydra_unserved{{{HERE}}})",
            },
        ),
        Panel("How long executions take", "s", quantiles("hydra_execution_duration_seconds", "workflow")),
        Panel("How long steps take", "s", quantiles("hydra_step_duration_seconds", "step")),
        Panel("Schedules: ticks passed over", "ops", rate("hydra_schedules_missed_total", "workflow")),
    ],
    "Nodes": [
        Panel("Workers", "short", {"{{state}}": f"sum by (state) (hydra_workers{{{HERE}}})"}),
        Panel(
            "Places taken",
            "percentunit",
            {"{{instance}}": f"max by (instance) (hydra_worker_utilization_ratio{{{HERE}}})"},
        ),
        Panel("Workers that ended", "ops", rate("hydra_worker_restarts_total", "reason")),
        Panel("Heartbeats", "ops", rate("hydra_heartbeats_total", "result")),
        Panel(
            "Executions that changed their node",
            "ops",
            {
                "lost": f"sum(rate(hydra_leases_lost_total{{{HERE}}}[5m]))",
                "taken over": f"sum(rate(hydra_leases_taken_over_total{{{HERE}}}[5m]))",
            },
        ),
        Panel(
            "Circuits: 0 closed, 1 half-open, 2 open",
            "short",
            {
                "{{instance}} {{circuit}} {{worker}}": "max by (instance, circuit, worker) "
                f"(hydra_circuit_state{{{HERE}}})"
            },
        ),
    ],
    "Database": [
        Panel("Calls", "s", quantiles("hydra_store_operation_seconds", "operation")),
        Panel("Calls without an answer", "ops", rate("hydra_store_errors_total", "operation")),
        Panel("Executions in a transaction", "short", quantiles("hydra_commit_batch_size")),
        Panel("Timers: how late", "s", quantiles("hydra_timer_lag_seconds")),
        Panel(
            "Its clock minus the node's",
            "s",
            {"{{instance}}": f"max by (instance) (hydra_clock_skew_seconds{{{HERE}}})"},
        ),
        Panel(
            "Lost what it had confirmed",
            "short",
            {"times": f"sum(increase(hydra_store_rewound_total{{{HERE}}}[1h]))"},
        ),
    ],
}  # fmt: skip


def targets(queries: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend, "datasource": SOURCE}
        for number, (legend, expression) in enumerate(queries.items())
    ]


SOURCE = {"type": "prometheus", "uid": "${source}"}


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    y = 0
    for row, shown in ROWS.items():
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": row, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}}
        )
        y += 1
        for number, panel in enumerate(shown):
            place = {"x": number % ACROSS * WIDTH, "y": y + number // ACROSS * HEIGHT, "w": WIDTH, "h": HEIGHT}
            panels.append(
                {
                    "id": len(panels) + 1,
                    "type": "timeseries",
                    "title": panel.title,
                    "gridPos": place,
                    "datasource": SOURCE,
                    "fieldConfig": {"defaults": {"unit": panel.unit, "min": None}, "overrides": []},
                    "targets": targets(panel.queries),
                }
            )
        y += (len(shown) + ACROSS - 1) // ACROSS * HEIGHT
    return {
        "title": "hydra",
        "uid": "hydra",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                {
                    "name": "namespace",
                    "type": "query",
                    "datasource": SOURCE,
                    "query": "label_values(hydra_workers, namespace)",
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": panels,
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1))
