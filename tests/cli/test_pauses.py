"""`hydra pause`, `resume-workflow` and `drain`, and where a pause is shown."""

from __future__ import annotations

import hydra

from tests.cli.invoking import run

SHIP = hydra.named("ship")


def test_a_pause_is_ordered_shown_and_lifted(url: str) -> None:
    with hydra.Engine(url) as engine:
        engine.submit(SHIP.bind())
        engine.submit(hydra.named("bill").bind())
    assert run(url, "pause", "ship", "--reason", "the depot is full").output == "workflow `ship` is paused\n"
    listed = [line for line in run(url, "list").output.splitlines() if "paused" in line]
    assert len(listed) == 1 and " ship " in listed[0]
    stats = run(url, "stats").output
    assert "workflow `ship` is paused, by " in stats and stats.count(": the depot is full") == 1
    assert run(url, "pause", "--all").output == "namespace `default` is paused\n"
    assert "namespace is paused, by " in run(url, "stats").output
    assert sum("paused" in line for line in run(url, "list").output.splitlines()) == 2
    assert run(url, "resume-workflow", "--all").output == "namespace `default` goes on\n"
    assert run(url, "resume-workflow", "ship", "bill").output == (
        "workflow `ship` goes on\nworkflow `bill` was not paused\n"
    )


def test_a_typing_error_pauses_nothing_and_is_one_sentence(url: str) -> None:
    with hydra.Engine(url) as engine:
        engine.submit(SHIP.bind())
    assert run(url, "pause", "shp", code=1).output == (
        "error: no workflow `shp` in namespace `default`, so nothing is paused: known are `ship`\n"
    )
    assert "name workflows, or say `--all`, or `--limit`" in run(url, "pause", code=2).output
    assert "name workflows, or say `--all`, or `--limit`" in run(url, "resume-workflow", "ship", "--all", code=2).output
    assert "`--key` is of a limit; name it by `--limit`" in run(url, "pause", "ship", "--key", "acme", code=2).output
    assert "`--for` is of a limit; name it by `--limit`" in run(url, "pause", "ship", "--for", "5m", code=2).output
    assert run(url, "drain", "nobody", code=1).output == (
        "error: no living node `nobody` in namespace `default`: none is alive\n"
    )
