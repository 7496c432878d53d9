"""A move that stands still while another order overtakes it opens nothing when it goes on, and says what was done."""

from __future__ import annotations

from collections.abc import Callable

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main
from hydra.errors import HydraError, IllegalMove
from hydra.move import abandon, move
from hydra.move.sqlite_side import SqliteSide

from tests.move.conftest import Pair
from tests.move.killed import LEASE_SECONDS
from tests.move.worlds import takes_work


def begun(url: str) -> None:
    with hydra.Engine(url) as engine:
        for number in range(3):
            engine.submit(hydra.named("bill").bind(), key=f"{number}")


def overtaken(pair: Pair, point: int, order: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a move said that stood still before its order of that number while `order` was done; "" at its end."""
    count = 0
    given = False

    def counted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def ordered(self: SqliteSide, *arguments: object) -> object:
            nonlocal count, given
            count += 1
            # Within a transaction the other would wait for it.
            if count >= point and not given and not self._connection.in_transaction and arguments[0] != "begin":
                given = True
                order()
            return real(self, *arguments)

        return ordered

    with monkeypatch.context() as patch:
        for name in ("query", "run", "run_many"):
            patch.setattr(SqliteSide, name, counted(name, getattr(SqliteSide, name)))
        try:
            move(*pair, lease_seconds=LEASE_SECONDS, batch_rows=2)
        except HydraError as error:
            return str(error)
        finally:
            assert given, count
    return ""


@pytest.mark.parametrize("point", (85, 175))  # of some 400 orders
def test_a_move_that_was_completed_by_another_ends_as_that_left_it(
    files: Pair, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(files.source)
    said = overtaken(files, point, lambda: move(*files, lease_seconds=LEASE_SECONDS), monkeypatch)
    assert (takes_work(files.source), takes_work(files.target)) == (False, True), said
    assert not said or "has completed the move of namespace `default`" in said or "goes to" in said


@pytest.mark.parametrize("point", (65,))  # of some 400 orders
def test_a_move_that_was_completed_and_came_back_meanwhile_closes_nothing(
    files: Pair, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(files.source)

    def there_and_back() -> None:
        move(*files, lease_seconds=LEASE_SECONDS)
        move(*reversed(files), lease_seconds=LEASE_SECONDS)
        assert takes_work(files.source)

    said = overtaken(files, point, there_and_back, monkeypatch)
    open = takes_work(files.source), takes_work(files.target)
    assert open == ((True, False) if said else (False, True)), (said, open)  # it had not begun: it has moved it again


@pytest.mark.parametrize("point", (12, 105, 300))  # of some 400 orders
def test_a_move_that_was_taken_back_stops_and_can_be_repeated(
    files: Pair, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(files.source)
    with hydra.Engine(files.target) as engine:
        engine.audit()  # makes its tables
    answers: list[str] = []

    def take_back() -> None:
        try:
            assert abandon(*files) == ["default"]
        except IllegalMove as error:
            answers.append(str(error))

    said = overtaken(files, point, take_back, monkeypatch)
    if answers and "has been moved to" in answers[0]:
        assert (takes_work(files.source), takes_work(files.target)) == (False, True)
        return
    assert not answers or "so nothing was taken back; a `hydra move` that is under way stops" in answers[0]
    assert "was taken back meanwhile" in said
    assert takes_work(files.source)
    assert not (answers == [] and takes_work(files.target))
    if takes_work(files.target):
        return  # it was stopped before it closed anything
    move(*files, lease_seconds=LEASE_SECONDS)
    assert (takes_work(files.source), takes_work(files.target)) == (False, True)
    with hydra.Engine(files.target) as engine:
        assert engine.audit() == []


def test_what_is_not_under_way_cannot_be_taken_back_and_the_answer_says_so(files: Pair) -> None:
    begun(files.source)
    with hydra.Engine(files.target) as engine:
        engine.audit()  # makes its tables
    answer = CliRunner().invoke(main, ["move", *files, "--abandon"])
    assert answer.exit_code == 1
    assert "on its way to" in answer.output and "so nothing was taken back" in answer.output
    answer = CliRunner().invoke(main, ["move", *files, "--abandon", "--namespace", "default"])
    assert (answer.exit_code, "namespace `default` is not on its way to" in answer.output) == (1, True)
    assert takes_work(files.source)
