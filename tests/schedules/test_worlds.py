"""Random worlds of nodes, outages, clocks, jitters and lost replies keep the promises of `hydra.Cron`: `worlds`.

CI runs 24 of them, `make nightly` 20,000.
"""

from __future__ import annotations

import pytest

from tests.schedules.worlds import World


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 24, 12))
def test_r25_no_tick_is_lost_doubled_or_out_of_order_while_nodes_are_up(first: int) -> None:
    for seed in range(first, first + 12):
        World(seed).run()
