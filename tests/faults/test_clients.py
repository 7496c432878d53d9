"""A program behind a bad network: what it is told of its submissions and orders is so, or is said to be unknown."""

from __future__ import annotations

from collections.abc import Callable

import hydra
import pytest
from hydra import _core
from hydra.errors import NotFound, StoreUnavailable
from hydra.execution import Status

from tests.faults.conftest import Place
from tests.support.bad_network import CUT, HALF_CLOSE, STALL, Fate, Weather

PLACES = 9  # in the exchange of one submission at which the connection breaks
TIMEOUT_SECONDS = 1.0  # of a call; a stall takes that long


@hydra.workflow
def faults_errand(payload: int | str) -> None:
    """Nobody runs it. (One that is only named would be looked up first, now and then.)"""


def is_there(near: hydra.Engine, id: str) -> bool:
    try:
        near.get(id)
    except NotFound:
        return False
    return True


def warm(far: hydra.Engine) -> None:
    far.submit(faults_errand.bind(1))


def exchange(place: Place, far: hydra.Engine) -> tuple[int, int]:
    """Bytes that a submission sends and is answered at least, over connections that are open already. On PostgreSQL
    others are told of it over another one, a little later: what is set may meet that."""
    network = place.network
    warm(far)
    warm(far)
    found = []
    for _ in range(3):
        before = network.request_bytes, network.reply_bytes
        warm(far)
        found.append((network.request_bytes - before[0], network.reply_bytes - before[1]))
    return min(request for request, _ in found), min(reply for _, reply in found)


def judge(place: Place, near: hydra.Engine, far: hydra.Engine) -> str:
    """Submits into the trap that is set; what was said of it, after it was held against the database."""
    id = str(_core.uuid7())
    try:
        far.submit(faults_errand.bind(2), id=id)
        said = "accepted"
    except StoreUnavailable as error:
        said = error.outcome or "refused"
        assert said == "refused" or error.execution_id == id
    place.network.disarm()
    place.network.thaw()
    if said == "accepted":
        assert is_there(near, id)
    elif said == "refused":
        assert not is_there(near, id)
    assert far.submit(faults_errand.bind(2), id=id).id == id  # safe, whatever it was (R17)
    assert is_there(near, id)
    return said


@pytest.mark.parametrize("fate", [CUT, HALF_CLOSE])
def test_g1_r17_a_submission_whose_connection_breaks_anywhere_is_told_as_it_is(place: Place, fate: Fate) -> None:
    with hydra.Engine(place.url) as near, hydra.Engine(place.far_url) as far:
        request, reply = exchange(place, far)
        count, met = 5, 0
        for number in range(PLACES):
            for length, arm in (
                (request, place.network.after_request_bytes),
                (reply, place.network.after_reply_bytes),
            ):
                warm(far)
                count += 2
                arm(length * number // PLACES, fate)
                judge(place, near, far)
                met += place.network.sprung.is_set()
        assert met >= PLACES
        assert near.stats().counts["faults_errand"] == {"pending": count}
        assert near.audit() == []


@pytest.mark.parametrize("direction", ["request", "reply"])
def test_g1_r17_a_submission_in_which_the_network_stalls_ends_and_is_told_as_it_is(
    place: Place, direction: str
) -> None:
    with hydra.Engine(place.url) as near, hydra.Engine(place.far_url, timeout=TIMEOUT_SECONDS) as far:
        request, reply = exchange(place, far)
        if direction == "request":
            place.network.after_request_bytes(request // 2, STALL)
        else:
            place.network.after_reply_bytes(reply // 2, STALL)
        judge(place, near, far)
        assert near.audit() == []


@pytest.mark.parametrize("order", ["signal", "cancel"])
def test_r17_an_order_whose_answer_is_lost_can_be_given_again(place: Place, order: str) -> None:
    with hydra.Engine(place.url) as near, hydra.Engine(place.far_url) as far:
        handle = near.submit(faults_errand.bind(1))
        orders: dict[str, Callable[[], object]] = {
            "signal": lambda: far.signal(handle.id, "go", "on", signal_id="once"),
            "cancel": lambda: far.get(handle.id).cancel(),
        }
        warm(far)
        place.network.after_reply_bytes(8, CUT)
        try:
            orders[order]()
        except StoreUnavailable:
            orders[order]()
        place.network.disarm()
        assert near.get(handle.id).status() is (Status.CANCELLED if order == "cancel" else Status.PENDING)
        assert near.audit() == []


def test_g1_over_a_slow_thin_network_submissions_are_slow_and_right(place: Place) -> None:
    with hydra.Engine(place.url) as near, hydra.Engine(place.far_url) as far:
        warm(far)
        place.network.weather = Weather(delay=0.002, jitter=0.02, bytes_per_second=2_000_000)
        handles = far.submit_many([faults_errand.bind("x" * 20_000) for _ in range(20)])
        place.network.weather = Weather()
        assert len({handle.id for handle in handles}) == 20
        assert near.stats().counts["faults_errand"] == {"pending": 21}
