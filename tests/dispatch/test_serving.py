"""Which workflows a node runs, by what it was told at its start."""

from __future__ import annotations

import pytest
from hydra.dispatch.serving import Serving
from hydra.errors import ConfigError
from hydra.stores.workflow_info import WorkflowInfo

APP = [
    WorkflowInfo("bill", b"", None, "", labels=("eu",)),
    WorkflowInfo("billing_report", b"", None, ""),
    WorkflowInfo("train", b"", None, "", labels=("eu", "gpu")),
]


@pytest.mark.parametrize(
    ("serving", "served"),
    [
        (Serving(), ["billing_report"]),
        (Serving(labels=("eu",)), ["bill", "billing_report"]),
        (Serving(labels=("eu", "gpu", "more")), ["bill", "billing_report", "train"]),
        (Serving(labels=("gpu",)), ["billing_report"]),
        (Serving(only=("bill*",), labels=("eu",)), ["bill", "billing_report"]),
        (Serving(only=("bill", "train"), labels=("eu",)), ["bill"]),
        (Serving(only=("BILL*",), labels=("eu",)), []),
    ],
)
def test_a_node_runs_what_it_is_for_and_has_all_labels_of(serving: Serving, served: list[str]) -> None:
    chosen = serving.chosen(APP)
    assert [workflow.name for workflow in chosen] == [workflow.name for workflow in APP], "others may know of all"
    assert [workflow.name for workflow in chosen if workflow.is_served] == served


def test_a_name_that_the_app_does_not_have_is_one_sentence_and_a_pattern_may_match_nothing_yet() -> None:
    names = [workflow.name for workflow in APP]
    Serving(only=("bill", "refund*")).check(names, "app `shop`")
    with pytest.raises(ConfigError) as caught:
        Serving(only=("refunds",)).check(names, "app `shop`")
    assert str(caught.value) == (
        "`only` names workflow `refunds`, which app `shop` does not define; it has `bill`, `billing_report`, `train`"
    )
